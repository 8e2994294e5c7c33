//! `tramontane schedules`: what runs by itself, and when.

use super::server::Items;
use super::{Context, Ended, Failure};
use crate::exit::Exit;
use crate::print::time;
use crate::settings;
use clap::{Args, Subcommand};
use engine::schedule::Scheduled;
use model::definition::Schedule;
use model::{Millis, Problem, suggest};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use store::{LaneId, Store};

/// Arguments of `tramontane schedules`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example: tramontane schedules list --next 5

A paused schedule begins nothing; what it misses meanwhile stays missed. `tramontane serve` begins the runs.")]
pub(crate) struct Schedules {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Lists schedules and when they run next.
    List {
        /// So many times of each.
        #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
        next: u32,
    },
    /// Keeps a schedule from running until it is resumed.
    Pause {
        /// Name of the schedule.
        name: String,
    },
    /// Lets a paused schedule run again, from now on.
    Resume {
        /// Name of the schedule.
        name: String,
    },
}

impl Schedules {
    pub(crate) async fn run(self, context: &Context) -> Ended {
        match self.verb {
            Verb::List { next } => list(context, next).await,
            Verb::Pause { name } => pause(context, &name, true).await,
            Verb::Resume { name } => pause(context, &name, false).await,
        }
    }
}

/// The schedules as defined.
async fn defined(store: &dyn Store) -> Result<BTreeMap<String, Scheduled>, Failure> {
    let (_, stored) = store.definitions().await?;
    let definitions = engine::definitions::from_stored(&stored).map_err(Failure::refused)?;
    let compiled = |(name, schedule): (&String, &Schedule)| {
        let lane = LaneId(0);
        Ok((name.clone(), Scheduled::new(name, schedule, lane).map_err(Failure::refused)?))
    };
    definitions.schedules.iter().map(compiled).collect()
}

async fn list(context: &Context, next: u32) -> Ended {
    let shown = match context.server()? {
        Some(server) => {
            let list: Items<Value> = server.get(&["schedules"], &[("next", Some(next.to_string()))]).await?;
            list.items
        }
        None => listed(context, next).await?,
    };
    print(context, shown);
    Ok(Exit::Done)
}

async fn listed(context: &Context, next: u32) -> Result<Vec<Value>, Failure> {
    let store = context.engine_store().await?;
    let now = settings::clock().now();
    let schedules = defined(store.as_ref()).await?;
    let lines = schedules.values().map(|one| (one.name.clone(), one.line())).collect();
    let known = store.schedules(lines, now).await?;
    let shown = schedules.values().zip(known).map(|(scheduled, known)| {
        let times: Vec<String> = upcoming(scheduled, now, next).into_iter().map(time).collect();
        let paused = known.paused.map(|(at, by)| json!({ "at": time(at), "by": by }));
        json!({
            "name": scheduled.name,
            "run": scheduled.definition.run,
            "cron": scheduled.definition.cron,
            "time_zone": scheduled.definition.time_zone,
            "paused": paused,
            "next": times,
        })
    });
    Ok(shown.collect())
}

fn print(context: &Context, shown: Vec<Value>) {
    if context.printer.json() {
        return context.printer.value(&Value::Array(shown));
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rows: Vec<Vec<String>> = shown
        .iter()
        .map(|one| {
            let next: Vec<String> = one["next"].as_array().into_iter().flatten().map(text).collect();
            let next = if one["paused"].is_null() {
                next.join("  ")
            } else {
                format!("paused by {}", text(&one["paused"]["by"]))
            };
            vec![text(&one["name"]), text(&one["run"]), text(&one["cron"]), text(&one["time_zone"]), next]
        })
        .collect();
    context.printer.table(&["name", "run", "cron", "time zone", "next"], &rows);
}

fn upcoming(scheduled: &Scheduled, now: Millis, most: u32) -> Vec<Millis> {
    let first = scheduled.next_after(now);
    std::iter::successors(first, |at| scheduled.next_after(*at)).take(most as usize).collect()
}

async fn pause(context: &Context, name: &str, paused: bool) -> Ended {
    if let Some(server) = context.server()? {
        let verb = if paused { "pause" } else { "resume" };
        server.send::<Value>("POST", &["schedules", name, verb], None).await?;
    } else {
        pause_here(context, name, paused).await?;
    }
    context.printer.say(if paused { "paused" } else { "it runs again" });
    Ok(Exit::Done)
}

async fn pause_here(context: &Context, name: &str, paused: bool) -> Result<(), Failure> {
    let store = context.engine_store().await?;
    let now = settings::clock().now();
    let schedules = defined(store.as_ref()).await?;
    let Some(scheduled) = schedules.get(name) else {
        let mut problem = Problem::new("schedule_unknown", format!("there is no schedule \"{name}\""));
        problem.hint = suggest::hint(name, schedules.keys().map(String::as_str));
        return Err(Failure::refused(vec![problem]));
    };
    store.schedules(vec![(name.to_owned(), scheduled.line())], now).await?;
    store.pause_schedule(name.to_owned(), paused.then(|| (now, "cli".to_owned())), now).await?;
    Ok(())
}
