//! `tramontane models`: which models are in use, and which of those go.

use super::server::not_through_server;
use super::{Context, Ended, Failure, prices};
use crate::alerts::Models as Shown;
use crate::exit::Exit;
use crate::parts;
use crate::print::time;
use crate::settings;
use clap::{Args, Subcommand};
use engine::definitions::used_secrets;
use engine::definitions::variables::Variables as _;
use engine::flow::open_client;
use engine::models::{Model, check, hidden, known};
use model::Problem;
use model::definition::{Definitions, Span};
use serde_json::json;
use std::sync::Arc;
use store::Store;

/// Arguments of `tramontane models`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples: tramontane models list
          tramontane models check --within 60d

In use is what a definition names, and what answered within thirty days. `tramontane serve` looks at the list of
each HTTP client once a day; `check` looks now. It ends with 6 where a model in use goes within that time.")]
pub(crate) struct Models {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Lists the models in use, as they were at the last look.
    List {
        /// Those that nobody uses too.
        #[arg(long)]
        all: bool,
    },
    /// Looks at the lists of models now, and says what goes soon.
    Check {
        /// Within this time.
        #[arg(long, value_name = "DURATION", default_value = "30d")]
        within: Span,
    },
}

impl Models {
    pub(crate) async fn run(self, context: &Context) -> Ended {
        if let Some(server) = context.server()? {
            let Verb::List { all } = self.verb else {
                return Err(not_through_server("the server looks once a day: tramontane models list says what it saw"));
            };
            print(context, &server.get(&["models"], &[("all", Some(all.to_string()))]).await?);
            return Ok(Exit::Done);
        }
        let prices = prices::in_use(&context.data())?;
        let registry = parts::registry(prices);
        let (all, within) = match self.verb {
            Verb::List { all } => (all, None),
            Verb::Check { within } => (false, Some(within)),
        };
        let store = match within {
            Some(_) => context.engine_store().await?,
            None => context.read_store().await?,
        };
        let (_, stored) = store.definitions().await?;
        let definitions = engine::definitions::from_stored(&stored).map_err(Failure::refused)?;
        let mut exit = Exit::Done;
        if within.is_some() {
            exit = look(context, &store, &definitions, &registry).await?;
        }
        let known = known(store.as_ref(), &definitions).await?;
        let hidden = hidden(&definitions, &known.models, &registry);
        let now = settings::clock().now();
        let Some(within) = within else {
            print(context, &Shown::new(known, hidden, all));
            return Ok(exit);
        };
        let goes = |model: &&Model| model.is_used() && model.seen.retires_at.is_some_and(|at| at - now <= within.0);
        let leaving: Vec<Problem> = known.models.iter().filter(goes).map(|model| retires(model, now)).collect();
        print(context, &Shown::new(known, hidden, all));
        leaving.iter().for_each(|problem| context.printer.problem(problem));
        Ok(if leaving.is_empty() { exit } else { Exit::Failed })
    }
}

/// Looks at the models of every client that can list them.
async fn look(
    context: &Context,
    store: &Arc<dyn Store>,
    definitions: &Definitions,
    registry: &model::Registry,
) -> Result<Exit, Failure> {
    let clock = settings::clock_of(store).await?;
    let variables = context.environment(store);
    let (_, stored) = store.definitions().await?;
    variables.refresh(&used_secrets(&stored).into_keys().collect()).await.map_err(Failure::refused)?;
    let (mut looked, mut failed) = (0, 0);
    for (name, definition) in &definitions.http_clients {
        let Some(connector) = registry.connectors.get(definition.prototype.as_str()) else { continue };
        let Some(operation) = connector.models() else { continue };
        let client = open_client(name, definition, &variables, Arc::default())
            .map_err(|problem| Failure::refused(vec![problem.within(&format!("http_clients.{name}"))]))?;
        if !client.has_key(operation.credential()) {
            continue;
        }
        looked += 1;
        if let Err(problem) = check(store.as_ref(), clock.as_ref(), &client, connector.as_ref()).await? {
            failed += 1;
            context.printer.problem(&problem.within(&format!("http_clients.{name}")));
        }
    }
    if looked == 0 {
        let problem = Problem::new("models_unknown", "there is no HTTP client whose models could be listed");
        return Err(Failure::refused(vec![problem.hint("define one with prototype: mistral and an api_key")]));
    }
    Ok(if failed > 0 { Exit::Failed } else { Exit::Done })
}

fn retires(model: &Model, now: i64) -> Problem {
    let seen = &model.seen;
    let at = seen.retires_at.unwrap_or(now);
    let word = if at <= now { "went" } else { "goes" };
    let reason = format!("the model {} of {} {word} on {}", seen.id, seen.client, date(at));
    let routes = if model.routes.is_empty() { String::new() } else { format!("; used by {}", model.routes.join(", ")) };
    let hint = match &seen.replacement {
        Some(replacement) => format!("the service names {replacement} for it{routes}"),
        None => format!("the service names none for it{routes}"),
    };
    Problem::new("model_retires", reason).hint(hint).warning()
}

fn date(at: i64) -> String {
    time(at).chars().take(10).collect()
}

fn print(context: &Context, shown: &Shown) {
    if context.printer.json() {
        context.printer.value(&json!(shown));
        return;
    }
    let rows = shown.items.iter().map(|model| {
        let dash = |text: Option<&str>| text.unwrap_or("-").to_owned();
        let goes = model.retires_at.as_deref().map(|at| at.split('T').next().unwrap_or(at));
        let then = dash(model.replacement.as_deref());
        vec![model.client.clone(), model.id.clone(), dash(goes), then, model.calls.to_string(), model.routes.join(", ")]
    });
    let head = ["client", "model", "goes on", "then", "calls", "routes"];
    context.printer.table(&head, &rows.collect::<Vec<_>>());
    for look in &shown.clients {
        let when =
            look.checked_at.as_ref().map_or_else(|| "not looked at yet".to_owned(), |at| format!("looked at {at}"));
        let failed = look.problem.as_ref().map(|problem| format!(", and failed: {problem}")).unwrap_or_default();
        context.printer.say(&format!("{}: {when}{failed}", look.client));
    }
    for used in &shown.unlisted {
        let by = if used.route.is_empty() { "tasks that are gone" } else { &used.route };
        context.printer.say(&format!("{} answered {} calls of {by} and is in no list", used.id, used.calls));
    }
    for place in &shown.not_visible {
        context.printer.say(&format!("{place} names no model that is known: the data chooses it, or an agent"));
    }
}
