//! `tramontane simulator check`: what the simulator saw against what the store says.
//!
//! The ledger is the judge: it is written by another process, synced before each answer. Requests are matched by the id
//! that an HTTP client with `request_id_header` sends: `store-task-attempt`.

use super::{Context, Ended, Failure};
use crate::exit::Exit;
use clap::Args;
use connectors::mistral::catalogue::catalogue;
use engine::definitions::from_stored;
use model::definition::OnUnknown;
use model::{Effect, Evidence, Problem, TaskId};
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use store::{AttemptStory, Decision, LaneId, Store, TaskFilter, TaskStory};

/// Arguments of `tramontane simulator check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example: tramontane simulator check --ledger ledger.jsonl --data DIR

The HTTP clients of the flow must have request_id_header: X-Request-Id. Exit code 6 where something does not hold.")]
pub(crate) struct Check {
    /// The ledger that the simulator wrote.
    #[arg(long, value_name = "FILE")]
    ledger: PathBuf,
}

/// The most violations that are listed.
const LISTED: usize = 100;
/// Tasks read at a time.
const PAGE: u32 = 1_000;

/// A line of a ledger, as far as it matters here.
#[derive(Deserialize)]
struct Line {
    event: String,
    n: u64,
    #[serde(default)]
    method: String,
    #[serde(default)]
    path: String,
    request_id: Option<String>,
    #[serde(default)]
    status: u16,
}

/// A request that the simulator saw.
struct Seen {
    method: String,
    path: String,
    /// The status of its answer, where that was wholly sent.
    answered: Option<u16>,
}

/// What the simulator saw of a store's calls.
#[derive(Default)]
struct Ledger {
    /// By task and attempt.
    calls: BTreeMap<(i64, u32), Vec<Seen>>,
    /// Requests without an id of the store.
    others: u64,
    requests: u64,
}

/// What was looked at and what does not hold.
#[derive(Default)]
struct Report {
    tasks: u64,
    attempts: u64,
    violations: Vec<Problem>,
    count: u64,
}

impl Check {
    pub(crate) async fn run(self, context: &Context) -> Ended {
        let store = context.read_store().await?;
        let ledger = read(&self.ledger, store.id()).map_err(|problem| Failure::new(Exit::Trouble, problem))?;
        let mut report = Report::default();
        for reason in store.check().await? {
            report.violated(Problem::new("store_damaged", reason));
        }
        let resends = resending_lanes(store.as_ref()).await?;
        let mut unmatched: BTreeSet<(i64, u32)> = ledger.calls.keys().copied().collect();
        let mut before = None;
        loop {
            let filter = TaskFilter { state: None, lane: None, run: None, before, limit: PAGE };
            let rows = store.tasks(filter).await?;
            let Some(last) = rows.last() else { break };
            before = Some(last.id);
            for row in rows {
                let Some(story) = store.task(row.id).await? else { continue };
                report.judge(&story, &ledger, resends.contains(&row.lane));
                for attempt in &story.attempts {
                    unmatched.remove(&(row.id.0, attempt.number));
                }
            }
        }
        for (task, attempt) in unmatched {
            let reason = format!("the simulator saw attempt {attempt}, and the store has no START of it");
            report.violated(Problem::new("request_unrecorded", reason).at(format!("task {task}")));
        }
        Ok(report.print(context, &ledger))
    }
}

impl Report {
    fn violated(&mut self, problem: Problem) {
        self.count += 1;
        if self.violations.len() < LISTED {
            self.violations.push(problem);
        }
    }

    /// Judges one task's attempts.
    fn judge(&mut self, story: &TaskStory, ledger: &Ledger, resends: bool) {
        self.tasks += 1;
        let task = story.row.id;
        let mut before: Option<&AttemptStory> = None;
        for attempt in &story.attempts {
            self.attempts += 1;
            let seen = ledger.calls.get(&(task.0, attempt.number)).map_or(&[][..], Vec::as_slice);
            self.judge_attempt(task, attempt, seen);
            let Some(call) = seen.first() else { continue };
            if let Some(before) = before.filter(|_| !resends)
                && !may_follow(story, before, attempt, effect(call))
            {
                let reason = format!("attempt {} repeats {} without a decision", attempt.number, before.number);
                self.violated(Problem::new("call_repeated", reason).at(format!("task {task}")));
            }
            before = Some(attempt);
        }
    }

    fn judge_attempt(&mut self, task: TaskId, attempt: &AttemptStory, seen: &[Seen]) {
        let number = attempt.number;
        let mut violated = |code: &'static str, reason: String| {
            self.violated(Problem::new(code, reason).at(format!("task {task}")));
        };
        if seen.len() > 1 {
            violated("request_twice", format!("attempt {number} was sent {} times", seen.len()));
        }
        if !seen.is_empty() && attempt.started_at.is_none() {
            violated("request_unrecorded", format!("attempt {number} was sent without a START"));
        }
        let Some(end) = &attempt.end else { return };
        let answered = seen.first().and_then(|call| call.answered);
        // What passes the cap is not read to its end, so it is not sent to its end either.
        let capped = end.problem.as_ref().is_some_and(|problem| problem.code == "answer_too_large");
        let ours = attempt.started_at.is_some() && end.status.is_some() && !capped;
        if ours && end.evidence == Evidence::Answered && answered != end.status {
            let sent = answered.map_or("no whole answer".to_owned(), |status| format!("{status}"));
            violated("answer_unseen", format!("attempt {number} has a complete answer, and the simulator sent {sent}"));
        }
        let misread = matches!(end.evidence, Evidence::Rejected | Evidence::Refused { .. } | Evidence::ErrorAnswer);
        // An error inside a stream comes with a 200 too.
        let in_stream = end.problem.as_ref().is_some_and(|problem| problem.code == "stream_error");
        if misread && !in_stream && answered.is_some_and(|status| (200..300).contains(&status)) {
            violated(
                "answer_misread",
                format!("attempt {number} had a success and was taken for {}", end.evidence.as_str()),
            );
        }
    }

    fn print(self, context: &Context, ledger: &Ledger) -> Exit {
        let printer = &context.printer;
        let ours = ledger.calls.values().map(Vec::len).sum::<usize>();
        if printer.json() {
            printer.value(&json!({
                "requests": ledger.requests, "matched": ours, "others": ledger.others, "tasks": self.tasks,
                "attempts": self.attempts, "violations": self.count, "problems": self.violations,
            }));
        } else {
            printer.data(&format!(
                "{} requests, {ours} of this store; {} tasks, {} attempts",
                ledger.requests, self.tasks, self.attempts
            ));
            self.violations.iter().for_each(|problem| printer.problem(problem));
            printer.data(&format!("{} violations", self.count));
        }
        if ours == 0 && ledger.others > 0 {
            printer.say("no request has an id of this store: set request_id_header: X-Request-Id on the HTTP client");
        }
        if self.count == 0 { Exit::Done } else { Exit::Failed }
    }
}

/// Whether an attempt may follow the one before it without a person: nothing can have happened twice by it.
fn may_follow(story: &TaskStory, before: &AttemptStory, attempt: &AttemptStory, effect: Effect) -> bool {
    if matches!(effect, Effect::Read | Effect::Idempotent) {
        return true;
    }
    let decided = story.decisions.iter().any(|decided| {
        let again = matches!(decided.decision, Decision::Retry | Decision::ResolveResend);
        again && Some(decided.at) >= before.started_at && Some(decided.at) <= attempt.started_at
    });
    let harmless = match before.end.as_ref().map(|end| end.evidence) {
        Some(Evidence::NotSent | Evidence::Refused { .. }) => true,
        Some(Evidence::ErrorAnswer) => effect == Effect::Compute,
        _ => false,
    };
    decided || harmless
}

/// What a call does at the far side, by the catalogue; what it does not know is taken for the worst.
fn effect(call: &Seen) -> Effect {
    let fits = |template: &str| {
        let (mut wanted, mut given) = (template.split('/'), call.path.split('/'));
        loop {
            match (wanted.next(), given.next()) {
                (None, None) => return true,
                (Some(wanted), Some(given)) if wanted == given || wanted.starts_with('{') => {}
                _ => return false,
            }
        }
    };
    let known = catalogue().operations.iter().filter(|entry| entry.method.as_str() == call.method && fits(&entry.path));
    // A literal path goes before one with slots.
    known.min_by_key(|entry| entry.path.matches('{').count()).map_or(Effect::Create, |entry| entry.effect)
}

/// Lanes of routes that may send again by themselves.
async fn resending_lanes(store: &dyn Store) -> Result<BTreeSet<LaneId>, Failure> {
    let (_, stored) = store.definitions().await?;
    let definitions = from_stored(&stored).map_err(Failure::refused)?;
    let resends = |name: &str| definitions.routes.get(name).is_some_and(|route| route.on_unknown == OnUnknown::Resend);
    let lanes = store.all_lanes().await?;
    Ok(lanes.into_iter().filter(|lane| resends(&lane.name)).map(|lane| lane.id).collect())
}

fn read(path: &Path, store: &str) -> Result<Ledger, Problem> {
    let unreadable =
        |why: String| Problem::new("ledger_unreadable", format!("{}: {why}", path.display())).at("--ledger");
    let file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
    let mut ledger = Ledger::default();
    let mut places: BTreeMap<u64, ((i64, u32), usize)> = BTreeMap::new();
    for (index, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(|error| unreadable(error.to_string()))?;
        let line: Line =
            serde_json::from_str(&line).map_err(|error| unreadable(format!("line {}: {error}", index + 1)))?;
        match line.event.as_str() {
            "request" => {
                ledger.requests += 1;
                let Some(place) = line.request_id.as_deref().and_then(|id| place_of(id, store)) else {
                    ledger.others += 1;
                    continue;
                };
                let calls = ledger.calls.entry(place).or_default();
                places.insert(line.n, (place, calls.len()));
                calls.push(Seen { method: line.method, path: line.path, answered: None });
            }
            "answer" => {
                let call = places.get(&line.n).and_then(|(place, index)| ledger.calls.get_mut(place)?.get_mut(*index));
                if let Some(call) = call {
                    call.answered = Some(line.status);
                }
            }
            _ => {}
        }
    }
    Ok(ledger)
}

/// Task and attempt of a request id of this store.
fn place_of(id: &str, store: &str) -> Option<(i64, u32)> {
    let (task, attempt) = id.strip_prefix(store)?.strip_prefix('-')?.split_once('-')?;
    Some((task.parse().ok()?, attempt.parse().ok()?))
}
