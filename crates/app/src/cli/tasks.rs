//! `tramontane tasks`: looks at tasks and decides about them.

use super::decide::{How, Which};
use super::filter::{Rule, state};
use super::place::{Place, Sought};
use super::{Context, Ended, Failure};
use crate::exit::Exit;
use crate::print::short;
use crate::settings;
use crate::story::TaskSummary;
use clap::{Args, Subcommand, ValueEnum};
use model::{Money, Problem, TaskId, TaskKind, TaskState};
use serde_json::{Value, json};
use store::Decision;

/// Arguments of `tramontane tasks`.
#[derive(Debug, Args)]
pub(crate) struct Tasks {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Lists tasks, newest first.
    #[command(after_help = "Example: tramontane tasks list --state failed --route describe")]
    List(List),
    /// Shows the whole story of one task: payload, request, answer, attempts, evidence.
    #[command(after_help = "Example: tramontane tasks show 4711")]
    Show {
        /// Number of the task.
        id: i64,
    },
    /// Runs tasks again that have ended.
    #[command(after_help = "Examples: tramontane tasks retry 4711 4712, then: tramontane run products
          tramontane tasks retry --state failed --route describe --dry-run
          tramontane tasks retry 4711 --payload @corrected.json
          tramontane tasks retry 4711 --from-answer (after a change of answer_transformers or expect)")]
    Retry {
        #[command(flatten)]
        which: Which,
        /// Uses the answer that is kept instead of making the call again.
        #[arg(long)]
        from_answer: bool,
        /// Gives the task other data; what it was stays in its story.
        #[arg(long, value_name = "JSON|@FILE", conflicts_with = "from_answer")]
        payload: Option<String>,
    },
    /// Decides about tasks whose outcome is unknown.
    #[command(
        after_help = "Examples: tramontane tasks resolve 4711 --as finished --why 'found the answer in the usage page'
          tramontane tasks resolve --as resend --where '.problem.code == \"interrupted\" and .age_s > 3600' --dry-run
          tramontane tasks resolve --as failed --where '.payload.shop == \"old\"' --by anna --why 'the shop is closed'"
    )]
    Resolve {
        #[command(flatten)]
        which: Which,
        /// What is known now.
        #[arg(long = "as", value_enum)]
        resolution: Resolution,
    },
    /// Ends open tasks that are not being worked on.
    #[command(after_help = "Example: tramontane tasks cancel 4711")]
    Cancel(Which),
    /// Passes tasks over: open ones, and ended ones that count as trouble.
    #[command(after_help = "Example: tramontane tasks skip 4711 --why 'duplicate order'")]
    Skip(Which),
}

#[derive(Debug, Args)]
struct List {
    /// Only tasks in this state.
    #[arg(long, value_parser = state)]
    state: Option<TaskState>,
    /// Only tasks of this route.
    #[arg(long, value_name = "NAME")]
    route: Option<String>,
    /// Only pulls of this incoming.
    #[arg(long, value_name = "NAME", conflicts_with = "route")]
    incoming: Option<String>,
    /// Only those that this filter holds for, as in the API: `status:failed -code:timeout cost:>0.01 created:>2026-11-01`.
    #[arg(long, value_name = "FILTER", conflicts_with_all = ["state", "route", "incoming"])]
    filter: Option<String>,
    /// Only those for which this jq filter holds, asked of what `tasks show --json` says, and `age_s`.
    #[arg(long = "where", value_name = "JQ")]
    rule: Option<String>,
    /// At most this many.
    #[arg(long, default_value_t = 50, value_name = "N")]
    limit: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Resolution {
    /// It worked.
    Finished,
    /// It did not, and is given up.
    Failed,
    /// It is sent again.
    Resend,
}

impl Tasks {
    pub(crate) async fn run(self, context: &Context) -> Ended {
        match self.verb {
            Verb::List(list) => list.run(context).await,
            Verb::Show { id } => show(context, TaskId(id)).await,
            Verb::Retry { which, from_answer: true, .. } => {
                which.decide(context, Decision::Retry, How::FromAnswer).await
            }
            Verb::Retry { which, payload: Some(text), .. } => {
                which.decide(context, Decision::Retry, How::Edited(text)).await
            }
            Verb::Retry { which, .. } => which.decide(context, Decision::Retry, How::Plain).await,
            Verb::Cancel(which) => which.decide(context, Decision::Cancel, How::Plain).await,
            Verb::Skip(which) => which.decide(context, Decision::Skip, How::Plain).await,
            Verb::Resolve { which, resolution } => {
                let decision = match resolution {
                    Resolution::Finished => Decision::ResolveFinished,
                    Resolution::Failed => Decision::ResolveFailed,
                    Resolution::Resend => Decision::ResolveResend,
                };
                which.decide(context, decision, How::Plain).await
            }
        }
    }
}

impl List {
    async fn run(self, context: &Context) -> Ended {
        let place = Place::to_read(context).await?;
        let rule = self.rule.as_deref().map(|text| Rule::compile(text, settings::clock().now())).transpose()?;
        let Self { state, route, incoming, filter, .. } = self;
        let mut pages = place.look_for(Sought { state, route, incoming, filter }).await?;
        let mut left = self.limit;
        let mut rows = Vec::new();
        while left > 0
            && let Some(mut page) = pages.next(left).await?
        {
            if let Some(rule) = &rule {
                let mut held = Vec::new();
                for row in page {
                    if rule.holds_for(&place, row.id).await? {
                        held.push(row);
                    }
                }
                page = held;
            }
            left -= page.len() as u64;
            if context.printer.json() {
                rows.extend(page.iter().map(|row| json!(row)));
            } else {
                let first = rows.is_empty();
                if !page.is_empty() {
                    print_page(context, &page, first);
                    rows.push(Value::Null);
                }
            }
        }
        if context.printer.json() {
            context.printer.value(&Value::Array(rows));
        } else if rows.is_empty() {
            context.printer.say("no tasks");
        }
        Ok(Exit::Done)
    }
}

fn print_page(context: &Context, page: &[TaskSummary], first: bool) {
    let rows = page.iter().map(|row| {
        let problem = row.problem.as_ref().map(|problem| short(&problem.to_string(), 80)).unwrap_or_default();
        vec![
            row.id.to_string(),
            row.kind.map(TaskKind::as_str).unwrap_or_default().to_owned(),
            row.route.as_ref().or(row.incoming.as_ref()).cloned().unwrap_or_default(),
            row.state.to_string(),
            row.attempts.to_string(),
            row.created_at.clone(),
            problem,
        ]
    });
    let head = ["id", "kind", "lane", "state", "attempts", "created", "problem"];
    let rows: Vec<Vec<String>> = rows.collect();
    context.printer.table(if first { &head } else { &[] }, &rows);
}

async fn show(context: &Context, id: TaskId) -> Ended {
    let Some(value) = Place::to_read(context).await?.story(id).await? else {
        let problem = Problem::new("task_unknown", format!("there is no task {id}"))
            .hint("tramontane tasks list shows what there is");
        return Err(Failure::refused(vec![problem]));
    };
    if context.printer.json() {
        context.printer.value(&value);
    } else {
        print_story(context, &value);
    }
    Ok(Exit::Done)
}

fn print_story(context: &Context, value: &Value) {
    let printer = &context.printer;
    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let lane = if value["route"].is_null() { text("incoming") } else { text("route") };
    printer.data(&format!("task {}  {} {lane}  {}", value["id"], text("kind"), text("state")));
    printer.data(&format!("created {}  run {}", text("created_at"), value["run"]));
    if TaskState::from_word(&text("state")).is_some_and(TaskState::is_open) {
        printer.data(&format!("due {}", text("due_at")));
    }
    if !value["source"].is_null() {
        printer.data(&format!("made from task {}", value["source"]));
    }
    if let Ok(cost) = serde_json::from_value::<Money>(value["cost"].clone()) {
        printer.data(&format!("cost estimated {cost} {}", text("currency")));
    }
    if value["payloads_hidden"] == true {
        printer.say("payloads, requests and answers are for those who may see them");
    }
    printer.data(&format!("payload {}", short(&value["payload"].to_string(), 2_000)));
    for attempt in value["attempts"].as_array().into_iter().flatten() {
        let part = |name: &str| attempt[name].as_str().unwrap_or("-").to_owned();
        let (started, ended) = (part("started_at"), part("ended_at"));
        printer.data(&format!("\nattempt {}  started {started}  ended {ended}", attempt["number"]));
        printer.data(&format!("  evidence {}: {}", part("evidence"), part("evidence_in_words")));
        for name in ["status", "usage", "request", "answer"] {
            if !attempt[name].is_null() {
                printer.data(&format!("  {name} {}", short(&attempt[name].to_string(), 2_000)));
            }
        }
        if let Ok(problem) = serde_json::from_value::<Problem>(attempt["problem"].clone()) {
            printer.data(&format!("  problem {problem} [{}]", problem.code));
            if let Some(id) = problem.request_id {
                printer.data(&format!("    the service calls this request {id}"));
            }
            if let Some(hint) = problem.hint {
                printer.data(&format!("    hint: {hint}"));
            }
        }
    }
    for decided in value["decisions"].as_array().into_iter().flatten() {
        printer.data(&format!("\ndecision {decided}"));
    }
    let made: Vec<String> = value["made"].as_array().into_iter().flatten().map(ToString::to_string).collect();
    if !made.is_empty() {
        printer.data(&format!("\nmade tasks {}", short(&made.join(", "), 400)));
    }
}
