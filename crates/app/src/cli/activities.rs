//! `tramontane activities`: work about many tasks that goes on by itself.

use super::people::did;
use super::{Context, Ended, Failure};
use crate::exit::Exit;
use crate::print::short;
use crate::server::Activity as Shown;
use clap::{Args, Subcommand};
use model::Problem;
use serde_json::{Value, json};
use store::Phase;

/// Arguments of `tramontane activities`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example: tramontane activities pause 7

Decisions about many tasks and exports, as the API begins them. `tramontane serve` works on them; one that is paused or
was cut goes on where it was.")]
pub(crate) struct Activities {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Lists activities, newest first.
    List {
        /// At most so many.
        #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
        limit: u32,
    },
    /// Shows one, and what it did not fit.
    Show {
        /// Number of the activity.
        id: i64,
    },
    /// Keeps one from going on.
    Pause {
        /// Number of the activity.
        id: i64,
    },
    /// Lets one go on.
    Resume {
        /// Number of the activity.
        id: i64,
    },
    /// Stops one. What it has done stays done.
    Cancel {
        /// Number of the activity.
        id: i64,
    },
}

impl Activities {
    pub(crate) async fn run(self, context: &Context) -> Ended {
        match self.verb {
            Verb::List { limit } => list(context, limit).await,
            Verb::Show { id } => show(context, id).await,
            Verb::Pause { id } => turn(context, id, Phase::Paused).await,
            Verb::Resume { id } => turn(context, id, Phase::Working).await,
            Verb::Cancel { id } => turn(context, id, Phase::Cancelled).await,
        }
    }
}

async fn list(context: &Context, limit: u32) -> Ended {
    let all: Vec<Value> = match context.server()? {
        Some(server) => server.items(&["activities"], &[], limit.into()).await?,
        None => {
            let all = context.read_store().await?.activities(None, limit).await?;
            all.into_iter().map(|one| json!(Shown::of(one))).collect()
        }
    };
    if context.printer.json() {
        context.printer.value(&Value::Array(all));
        return Ok(Exit::Done);
    }
    let row = |one: &Value| {
        let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
        let (id, refused) = (one["id"].to_string(), one["refused"].to_string());
        vec![id, text("kind"), text("phase"), progress(one), refused, text("who"), text("created_at")]
    };
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    context.printer.table(&["id", "kind", "phase", "done", "refused", "who", "begun"], &rows);
    Ok(Exit::Done)
}

fn progress(one: &Value) -> String {
    if one["of"].is_null() { one["done"].to_string() } else { format!("{} of {}", one["done"], one["of"]) }
}

async fn show(context: &Context, id: i64) -> Ended {
    let one = match context.server()? {
        Some(server) => server.get(&["activities", &id.to_string()], &[]).await?,
        None => {
            let found = context.read_store().await?.activity(id).await?;
            json!(Shown::of(found.ok_or_else(|| unknown(id))?))
        }
    };
    if context.printer.json() {
        context.printer.value(&one);
        return Ok(Exit::Done);
    }
    let printer = &context.printer;
    let text = |name: &str| one[name].as_str().unwrap_or_default();
    printer.data(&format!("activity {id}  {}  {}  {}", text("kind"), text("phase"), progress(&one)));
    printer.data(&format!("begun {} by {}", text("created_at"), text("who")));
    let what = one["decision"].as_str().unwrap_or(text("kind"));
    let which = one["filter"].as_str().unwrap_or("tasks by number");
    printer.data(&format!("what {what}: {}", short(which, 2_000)));
    for (word, name) in [("why", "why"), ("ended", "ended_at")] {
        if !one[name].is_null() {
            printer.data(&format!("{word} {}", text(name)));
        }
    }
    if one["refused"] != 0 {
        printer.data(&format!("{} tasks it did not fit", one["refused"]));
    }
    let all = [&one["problem"]].into_iter().chain(one["problems"].as_array().into_iter().flatten());
    for problem in all.filter_map(|problem| serde_json::from_value::<Problem>(problem.clone()).ok()) {
        printer.data(&format!("  {problem} [{}]", problem.code));
    }
    Ok(Exit::Done)
}

async fn turn(context: &Context, id: i64, to: Phase) -> Ended {
    let verb = match to {
        Phase::Paused => "pause",
        Phase::Working => "resume",
        _ => "cancel",
    };
    let shown = match context.server()? {
        Some(server) => server.send("POST", &["activities", &id.to_string(), verb], None).await?,
        None => turn_here(context, id, to, &format!("activity.{verb}")).await?,
    };
    if context.printer.json() {
        context.printer.value(&shown);
    } else {
        context.printer.say(&format!("activity {id} is {}", to.as_str()));
    }
    Ok(Exit::Done)
}

async fn turn_here(context: &Context, id: i64, to: Phase, what: &str) -> Result<Value, Failure> {
    let store = context.engine_store().await?;
    let is_turned = store.turn_activity(id, to, did(what, &format!("activity {id}"))).await?;
    let found = store.activity(id).await?.ok_or_else(|| unknown(id))?;
    if is_turned == Some(true) {
        return Ok(json!(Shown::of(found)));
    }
    let problem = Problem::new("activity_misfit", format!("activity {id} is {}", found.phase.as_str()));
    Err(Failure::refused(vec![problem]))
}

fn unknown(id: i64) -> Failure {
    let problem = Problem::new("activity_unknown", format!("there is no activity {id}"));
    Failure::refused(vec![problem.hint("tramontane activities list shows what there is")])
}
