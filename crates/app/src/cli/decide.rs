//! What `tramontane tasks` decides: about tasks by number, or about all of a state.

use super::call::read_json;
use super::filter::{Rule, state};
use super::place::{Place, Sought};
use super::{Context, Ended, Failure, decide_at};
use crate::exit::Exit;
use crate::settings;
use crate::story::Lanes;
use clap::Args;
use model::{Money, Problem, TaskId, TaskKind, TaskState};
use serde_json::{Value, json};
use store::{Decided, Decision, Store};

/// Tasks of one commit, and of one page.
const PAGE: usize = 1_000;

/// Which tasks a decision is about.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// Numbers of tasks.
    #[arg(required_unless_present_any = ["state", "rule"], conflicts_with_all = ["state", "rule"], value_name = "ID")]
    ids: Vec<i64>,
    /// All tasks in this state.
    #[arg(long, value_parser = state)]
    state: Option<TaskState>,
    /// Of these, only those of this route.
    #[arg(long, value_name = "NAME", conflicts_with = "ids")]
    route: Option<String>,
    /// Those for which this jq filter holds, asked of what `tasks show --json` says, and `age_s`: seconds since the end.
    /// Without `--state`, of all that the decision fits.
    #[arg(long = "where", id = "rule", value_name = "JQ")]
    rule: Option<String>,
    /// Why, for the record.
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    /// Who decides, for the record. [default: cli; through a server, whoever the token speaks for]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Says how many tasks it would be about and what they have cost, and changes nothing.
    #[arg(long)]
    dry_run: bool,
}

/// How a task is to run again.
pub(super) enum How {
    /// From the start, with the data it has.
    Plain,
    /// From the answer that is kept.
    FromAnswer,
    /// From the start, with other data: JSON, or `@` and a file.
    Edited(String),
}

impl Which {
    /// The tasks' numbers. A rule is asked of all of them before anything is decided.
    async fn tasks(&self, place: &Place, decision: Decision) -> Result<Vec<TaskId>, Failure> {
        if !self.ids.is_empty() {
            return Ok(self.ids.iter().copied().map(TaskId).collect());
        }
        let rule = self.rule.as_deref().map(|text| Rule::compile(text, settings::clock().now())).transpose()?;
        let sought = Sought { state: self.state, route: self.route.clone(), ..Sought::default() };
        let (mut pages, mut ids) = (place.look_for(sought).await?, Vec::new());
        while let Some(page) = pages.next(PAGE as u64).await? {
            for row in page {
                // A state that was asked for is answered for: what does not fit is said.
                if self.state.is_none() && decision.leads_to(row.state).is_none() {
                    continue;
                }
                match &rule {
                    Some(rule) if !rule.holds_for(place, row.id).await? => {}
                    _ => ids.push(row.id),
                }
            }
        }
        Ok(ids)
    }

    /// Decides, and says what became of it.
    pub(super) async fn decide(self, context: &Context, decision: Decision, how: How) -> Ended {
        if self.dry_run {
            return self.foresee(context, decision).await;
        }
        let place = Place::to_write(context).await?;
        let ids = self.tasks(&place, decision).await?;
        let (done, problems) = match &place {
            Place::Store(store, lanes) => self.carry_out(store.as_ref(), lanes, &ids, decision, how).await?,
            Place::Server(server) => {
                if self.by.is_some() {
                    let problem = Problem::new("option_wrong", "a server knows who decides by the token").at("--by");
                    return Err(Failure::refused(vec![
                        problem.hint("leave it away, or give the token of whoever it is"),
                    ]));
                }
                decide_at::carry_out(server, &ids, decision, self.why, how).await?
            }
        };
        if context.printer.json() {
            context.printer.value(&json!({ "decision": decision, "tasks": done, "problems": problems }));
        } else if !done.is_empty() || ids.is_empty() {
            let plural = if done.len() == 1 { "task" } else { "tasks" };
            context.printer.say(&format!("{} {plural}: done", done.len()));
            if matches!(decision, Decision::Retry | Decision::ResolveResend) && !done.is_empty() {
                context
                    .printer
                    .say("they are worked on by `tramontane serve`, or the next `tramontane run` of their incoming");
            }
        }
        for problem in &problems {
            context.printer.problem(problem);
        }
        Ok(if problems.is_empty() { Exit::Done } else { Exit::Refused })
    }

    async fn carry_out(
        self,
        store: &dyn Store,
        lanes: &Lanes,
        ids: &[TaskId],
        decision: Decision,
        how: How,
    ) -> Result<(Vec<TaskId>, Vec<Problem>), Failure> {
        let by = self.by.as_deref().unwrap_or("cli");
        let mut decided = Decided::new(decision, by, self.why, settings::clock().now());
        if let How::Edited(text) = &how {
            decided.payload = Some(edited(store, lanes, ids, text).await?.into());
        }
        let (mut done, mut problems) = (Vec::new(), Vec::new());
        for ids in ids.chunks(PAGE) {
            let results = match how {
                How::FromAnswer => retry_from_answers(store, ids, &decided).await?,
                How::Plain | How::Edited(_) => store.decide(ids.to_vec(), decided.clone()).await?,
            };
            for (id, result) in ids.iter().zip(results) {
                match result {
                    Ok(()) => done.push(*id),
                    Err(problem) => problems.push(problem),
                }
            }
        }
        Ok((done, problems))
    }

    /// Says what a decision would do: how many tasks it is about, and what their calls have cost so far.
    async fn foresee(self, context: &Context, decision: Decision) -> Ended {
        let place = Place::to_read(context).await?;
        let (mut would, mut others, mut spent, mut currency) = (Vec::new(), 0_usize, Money::default(), None);
        for id in self.tasks(&place, decision).await? {
            let story = place.story(id).await?.unwrap_or_default();
            let state = story["state"].as_str().and_then(TaskState::from_word);
            if state.is_none_or(|state| decision.leads_to(state).is_none()) {
                others += 1;
                continue;
            }
            let cost: Option<Money> = serde_json::from_value(story["cost"].clone()).ok();
            spent = spent.saturating_add(cost.unwrap_or_default());
            currency = currency.or_else(|| story["currency"].as_str().map(str::to_owned));
            would.push(id);
        }
        if context.printer.json() {
            let shown = json!({ "tasks": would, "not_fit": others, "spent": spent, "currency": currency });
            context.printer.value(&shown);
            return Ok(Exit::Done);
        }
        let plural = if would.len() == 1 { "task" } else { "tasks" };
        let currency = currency.unwrap_or_default();
        let again = matches!(decision, Decision::Retry | Decision::ResolveResend);
        let what = if again { "would run again" } else { "would be decided" };
        context.printer.data(&format!("{} {plural} {what}", would.len()));
        if spent > Money::default() {
            context.printer.data(&format!("their calls have cost an estimated {spent} {currency} so far"));
        }
        if others > 0 {
            let why = if decision == Decision::Retry { "they are still open" } else { "it does not fit their state" };
            context.printer.data(&format!("{others} would not: {why}, or they are not there"));
        }
        Ok(Exit::Done)
    }
}

/// The data for one task, as JSON text.
async fn edited(store: &dyn Store, lanes: &Lanes, ids: &[TaskId], text: &str) -> Result<String, Failure> {
    let (id, payload) = payload_of_one(ids, text)?;
    let row = store.task(id).await?.map(|story| story.row);
    if row.and_then(|row| lanes.get(&row.lane).map(|lane| lane.kind)) == Some(TaskKind::Pull) {
        let reason = format!("task {id} takes data in and has none of its own");
        let problem = Problem::new("payload_of_pull", reason).at("--payload");
        return Err(Failure::refused(vec![problem.hint("edit a task that it has made")]));
    }
    Ok(payload.to_string())
}

/// The one task that gets other data, and the data.
pub(super) fn payload_of_one(ids: &[TaskId], text: &str) -> Result<(TaskId, Value), Failure> {
    let [id] = ids else {
        let reason = format!("other data can be given to one task at a time, not to {}", ids.len());
        return Err(Failure::refused(vec![Problem::new("payload_for_many", reason).at("--payload")]));
    };
    let payload = read_json("--payload", text).map_err(|problem| Failure::refused(vec![problem]))?;
    Ok((*id, payload))
}

/// Each task remembers the answer that it has; one without an answer, or that is not there, is a problem of its own.
async fn retry_from_answers(
    store: &dyn Store,
    ids: &[TaskId],
    decided: &Decided,
) -> Result<Vec<Result<(), Problem>>, Failure> {
    let mut results = Vec::with_capacity(ids.len());
    for id in ids {
        let resume = match store.task(*id).await? {
            Some(story) => engine::from_answer(&story).map(Some),
            // The decision says what is wrong with it.
            None => Ok(None),
        };
        results.push(match resume {
            Ok(resume) => store.decide(vec![*id], Decided { resume, ..decided.clone() }).await?.remove(0),
            Err(problem) => Err(problem),
        });
    }
    Ok(results)
}
