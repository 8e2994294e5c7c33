//! `tramontane activities`: work about many tasks that goes on by itself.

use super::{Context, Ended, Failure};
use crate::exit::Exit;
use crate::print::{short, time};
use crate::server::Activity as Shown;
use crate::settings;
use clap::{Args, Subcommand};
use model::Problem;
use serde_json::json;
use store::{Activity, AuditEntry, Phase};

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
    let store = context.read_store().await?;
    let all = store.activities(None, limit).await?;
    if context.printer.json() {
        let shown: Vec<Shown> = all.into_iter().map(Shown::of).collect();
        context.printer.value(&json!(shown));
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|one| {
            vec![
                one.id.to_string(),
                one.kind.clone(),
                one.phase.as_str().to_owned(),
                progress(one),
                one.refused.to_string(),
                one.who.clone(),
                time(one.created_at),
            ]
        })
        .collect();
    context.printer.table(&["id", "kind", "phase", "done", "refused", "who", "begun"], &rows);
    Ok(Exit::Done)
}

fn progress(one: &Activity) -> String {
    match one.total {
        Some(total) => format!("{} of {total}", one.done),
        None => one.done.to_string(),
    }
}

async fn show(context: &Context, id: i64) -> Ended {
    let store = context.read_store().await?;
    let Some(one) = store.activity(id).await? else { return Err(unknown(id)) };
    if context.printer.json() {
        context.printer.value(&json!(Shown::of(one)));
        return Ok(Exit::Done);
    }
    let printer = &context.printer;
    printer.data(&format!("activity {id}  {}  {}  {}", one.kind, one.phase.as_str(), progress(&one)));
    printer.data(&format!("begun {} by {}", time(one.created_at), one.who));
    printer.data(&format!("what {}", short(&one.wish, 2_000)));
    if let Some(ended) = one.ended_at {
        printer.data(&format!("ended {}", time(ended)));
    }
    if one.refused > 0 {
        printer.data(&format!("{} tasks it did not fit", one.refused));
    }
    for problem in one.problem.iter().chain(&one.problems) {
        printer.data(&format!("  {problem} [{}]", problem.code));
    }
    Ok(Exit::Done)
}

async fn turn(context: &Context, id: i64, to: Phase) -> Ended {
    let store = context.engine_store().await?;
    let what = match to {
        Phase::Paused => "activity.pause",
        Phase::Working => "activity.resume",
        _ => "activity.cancel",
    };
    let audit = AuditEntry {
        id: 0,
        at: settings::clock().now(),
        who: "cli".to_owned(),
        origin: "cli".to_owned(),
        what: what.to_owned(),
        subject: format!("activity {id}"),
        details: None,
    };
    match store.turn_activity(id, to, audit).await? {
        None => return Err(unknown(id)),
        Some(true) => {}
        Some(false) => {
            let phase = store.activity(id).await?.map_or("gone", |one| one.phase.as_str());
            let problem = Problem::new("activity_misfit", format!("activity {id} is {phase}"));
            return Err(Failure::refused(vec![problem]));
        }
    }
    if context.printer.json() {
        let shown = store.activity(id).await?.map(Shown::of);
        context.printer.value(&json!(shown));
    } else {
        context.printer.say(&format!("activity {id} is {}", to.as_str()));
    }
    Ok(Exit::Done)
}

fn unknown(id: i64) -> Failure {
    let problem = Problem::new("activity_unknown", format!("there is no activity {id}"));
    Failure::refused(vec![problem.hint("tramontane activities list shows what there is")])
}
