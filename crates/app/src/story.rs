//! Tasks, entries of storages and what calls used as JSON, the same for the CLI and the API.

use crate::print::time;
use crate::server::schema;
use model::{Money, Problem, RunId, TaskId, TaskKind, TaskState};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use store::{AttemptStory, Decided, Decision, Lane, LaneId, TaskRow, UsageSum};
use utoipa::ToSchema;

/// Names of lanes by their numbers.
pub(crate) type Lanes = HashMap<LaneId, Lane>;

/// A task as lists show it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct TaskSummary {
    #[schema(value_type = i64)]
    pub(crate) id: TaskId,
    #[schema(schema_with = schema::task_kind_or_null)]
    pub(crate) kind: Option<TaskKind>,
    /// The route, of a push task.
    pub(crate) route: Option<String>,
    /// The incoming, of a pull task.
    pub(crate) incoming: Option<String>,
    #[schema(schema_with = schema::task_state)]
    pub(crate) state: TaskState,
    /// How many attempts have a record.
    pub(crate) attempts: u32,
    #[schema(value_type = i64)]
    run: RunId,
    /// The task it was made from.
    #[schema(value_type = Option<i64>)]
    source: Option<TaskId>,
    /// When it may be claimed, of an open task; of one that is being processed, when its claim runs out.
    #[schema(schema_with = schema::time_or_null)]
    due_at: Option<String>,
    #[schema(schema_with = schema::time)]
    pub(crate) created_at: String,
    #[schema(schema_with = schema::time_or_null)]
    finished_at: Option<String>,
    /// Of the last attempt that ended with one.
    #[schema(value_type = Option<schema::Finding>)]
    pub(crate) problem: Option<Problem>,
}

impl TaskSummary {
    pub(crate) fn of(row: &TaskRow, lanes: &Lanes) -> Self {
        let lane = lanes.get(&row.lane);
        let name_of = |kind| lane.filter(|lane| lane.kind == kind).map(|lane| lane.name.clone());
        Self {
            id: row.id,
            kind: lane.map(|lane| lane.kind),
            route: name_of(TaskKind::Push),
            incoming: name_of(TaskKind::Pull),
            state: row.state,
            attempts: row.attempts,
            run: row.run,
            source: row.source,
            due_at: row.state.is_open().then(|| time(row.due_at)),
            created_at: time(row.created_at),
            finished_at: row.finished_at.map(time),
            problem: row.problem.clone(),
        }
    }
}

/// A task as a search finds it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FoundTask {
    #[serde(flatten)]
    task: TaskSummary,
    /// What its incoming says it is called.
    identifier: Option<String>,
    /// The model that answered last.
    model: Option<String>,
    /// Tokens of all its attempts.
    tokens: Option<u64>,
    /// What all its attempts are estimated to cost, in whole units.
    #[schema(value_type = Option<f64>)]
    cost: Option<Money>,
    /// How long its longest attempt took.
    duration_ms: Option<i64>,
}

impl FoundTask {
    pub(crate) fn of(found: &store::FoundTask, lanes: &Lanes) -> Self {
        Self {
            task: TaskSummary::of(&found.row, lanes),
            identifier: found.identifier.clone(),
            model: found.model.clone(),
            tokens: found.tokens,
            cost: found.cost.map(Money),
            duration_ms: found.duration_ms,
        }
    }

    /// Takes out what is not for everybody.
    pub(crate) fn for_one_who(mut self, sees_payloads: bool) -> Self {
        if let Some(problem) = self.task.problem.as_mut().filter(|_| !sees_payloads) {
            problem.reason = HIDDEN.to_owned();
        }
        self
    }
}

/// Everything about one task.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TaskStory {
    #[schema(value_type = i64)]
    id: TaskId,
    #[schema(schema_with = schema::task_kind_or_null)]
    kind: Option<TaskKind>,
    /// The route, of a push task.
    route: Option<String>,
    /// The incoming, of a pull task.
    incoming: Option<String>,
    #[schema(schema_with = schema::task_state)]
    state: TaskState,
    pub(crate) attempts: Vec<Attempt>,
    #[schema(value_type = i64)]
    run: RunId,
    /// The task it was made from.
    #[schema(value_type = Option<i64>)]
    source: Option<TaskId>,
    /// When it may be claimed, of an open task; of one that is being processed, when its claim runs out.
    #[schema(schema_with = schema::time_or_null)]
    due_at: Option<String>,
    #[schema(schema_with = schema::time)]
    created_at: String,
    #[schema(schema_with = schema::time_or_null)]
    finished_at: Option<String>,
    /// Of the last attempt that ended with one.
    #[schema(value_type = Option<schema::Finding>)]
    problem: Option<Problem>,
    /// The task's data.
    #[schema(schema_with = schema::any)]
    payload: Value,
    decisions: Vec<DecisionStory>,
    /// Tasks made from it.
    #[schema(value_type = Vec<i64>)]
    made: Vec<TaskId>,
    /// `true` where payloads, requests and answers are `null` because whoever asks may not see them.
    #[serde(skip_serializing_if = "Option::is_none")]
    payloads_hidden: Option<bool>,
    /// What its calls are estimated to cost, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>)]
    cost: Option<Money>,
    /// Of the cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<String>,
}

impl TaskStory {
    pub(crate) fn of(story: &store::TaskStory, lanes: &Lanes) -> Self {
        let row = TaskSummary::of(&story.row, lanes);
        Self {
            id: row.id,
            kind: row.kind,
            route: row.route,
            incoming: row.incoming,
            state: row.state,
            attempts: story.attempts.iter().map(Attempt::of).collect(),
            run: row.run,
            source: row.source,
            due_at: row.due_at,
            created_at: row.created_at,
            finished_at: row.finished_at,
            problem: row.problem,
            payload: parsed(&story.payload),
            decisions: story.decisions.iter().map(DecisionStory::of).collect(),
            made: story.made.clone(),
            payloads_hidden: None,
            cost: story.cost(),
            currency: None,
        }
    }

    /// Whether there is something to say in a currency.
    pub(crate) fn has_cost(&self) -> bool {
        self.cost.is_some()
    }

    /// Says of which currency the cost is.
    pub(crate) fn in_currency(mut self, currency: Option<String>) -> Self {
        self.currency = currency;
        self
    }

    /// Says whether what it has is shown, and takes out what is not for everybody.
    pub(crate) fn for_one_who(mut self, sees_payloads: bool) -> Self {
        self.payloads_hidden = Some(!sees_payloads);
        if sees_payloads {
            return self;
        }
        self.payload = Value::Null;
        // A service quotes what it was sent in what it says is wrong.
        let quiet = |problem: &mut Option<Problem>| {
            if let Some(problem) = problem {
                problem.reason = HIDDEN.to_owned();
            }
        };
        quiet(&mut self.problem);
        for attempt in &mut self.attempts {
            (attempt.request, attempt.answer, attempt.headers) = (Value::Null, Value::Null, Value::Null);
            quiet(&mut attempt.problem);
        }
        self.decisions.iter_mut().for_each(|decision| decision.payload_before = None);
        self
    }
}

/// What stands in the place of a reason that may quote a payload.
const HIDDEN: &str = "only those who may see payloads are told the reason";

/// A decision about a task.
#[derive(Debug, Serialize, ToSchema)]
struct DecisionStory {
    #[schema(schema_with = schema::decision)]
    decision: Decision,
    /// Who: a name, `cli`, a rule.
    by: String,
    why: Option<String>,
    #[schema(schema_with = schema::time)]
    at: String,
    /// The task's data before the decision, where it edited it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::any)]
    payload_before: Option<Value>,
}

impl DecisionStory {
    fn of(decided: &Decided) -> Self {
        Self {
            decision: decided.decision,
            by: decided.by.clone(),
            why: decided.why.clone(),
            at: time(decided.at),
            payload_before: decided.before.as_ref().map(|before| parsed(before)),
        }
    }
}

/// One attempt.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Attempt {
    number: u32,
    #[schema(schema_with = schema::time_or_null)]
    started_at: Option<String>,
    #[schema(schema_with = schema::time_or_null)]
    ended_at: Option<String>,
    /// Revision of the definitions.
    revision: Option<i64>,
    /// What is known about what happened at the far side.
    evidence: Option<&'static str>,
    evidence_in_words: Option<&'static str>,
    /// Of the answer.
    status: Option<u16>,
    #[schema(value_type = Option<schema::Finding>)]
    problem: Option<Problem>,
    /// What the call used.
    #[schema(schema_with = schema::any)]
    usage: Value,
    #[schema(schema_with = schema::any)]
    request: Value,
    #[schema(schema_with = schema::any)]
    answer: Value,
    #[schema(schema_with = schema::any)]
    headers: Value,
}

impl Attempt {
    fn of(attempt: &AttemptStory) -> Self {
        let end = attempt.end.as_ref();
        let request = attempt.request.as_ref().or_else(|| end.and_then(|end| end.request.as_ref()));
        let parsed = |text: Option<&bytes::Bytes>| text.map(|text| parsed(text)).unwrap_or_default();
        Self {
            number: attempt.number,
            started_at: attempt.started_at.map(time),
            ended_at: end.map(|end| time(end.at)),
            revision: attempt.revision,
            evidence: end.map(|end| end.evidence.as_str()),
            evidence_in_words: end.map(|end| end.evidence.in_words()),
            status: end.and_then(|end| end.status),
            problem: end.and_then(|end| end.problem.clone()),
            usage: json!(end.and_then(|end| end.usage.as_ref())),
            request: parsed(request),
            answer: parsed(end.and_then(|end| end.answer.as_ref())),
            headers: parsed(end.and_then(|end| end.headers.as_ref())),
        }
    }
}

pub(crate) fn parsed(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(text).into_owned()))
}

/// A sum as JSON: `calls`, `unpriced`, the counts, `cost` in whole units of the `currency`.
pub(crate) fn usage_value(sum: &UsageSum, currency: Option<&str>) -> Map<String, Value> {
    let mut shown = Map::new();
    shown.insert("calls".to_owned(), json!(sum.calls));
    shown.insert("unpriced".to_owned(), json!(sum.unpriced));
    if let Value::Object(counts) = json!(sum.usage) {
        shown.extend(counts);
    }
    if sum.usage.cost.is_some() {
        shown.insert("currency".to_owned(), json!(currency));
    }
    shown
}

/// A sum of a route, model or day, with its name under that word.
pub(crate) fn usage_row(word: &str, sum: &UsageSum, currency: Option<&str>) -> Map<String, Value> {
    let mut shown = Map::from_iter([(word.to_owned(), json!(sum.name))]);
    shown.extend(usage_value(sum, currency));
    shown
}

/// The sum that was shown so.
pub(crate) fn usage_sum(shown: &Map<String, Value>) -> UsageSum {
    let count = |name: &str| shown.get(name).and_then(Value::as_u64).unwrap_or_default();
    let usage = serde_json::from_value(Value::Object(shown.clone())).unwrap_or_default();
    UsageSum { name: None, calls: count("calls"), unpriced: count("unpriced"), usage }
}

/// Something that was remembered in a storage.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Entry {
    key: String,
    #[schema(schema_with = schema::any)]
    value: Value,
    #[schema(schema_with = schema::time)]
    written_at: String,
    #[schema(schema_with = schema::time_or_null)]
    expires_at: Option<String>,
    /// Counts its changes.
    version: i64,
}

impl From<&store::Entry> for Entry {
    fn from(entry: &store::Entry) -> Self {
        Self {
            key: entry.key.clone(),
            value: serde_json::from_slice(&entry.value).unwrap_or_default(),
            written_at: time(entry.at),
            expires_at: entry.expires_at.map(time),
            version: entry.version,
        }
    }
}
