//! `tramontane plan` and `tramontane apply`: definitions from files into the store.

use super::{Context, Ended, Failure};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::parts;
use clap::Args;
use connectors::mistral::prices::Prices;
use engine::clock::{Clock, SystemClock};
use engine::definitions::variables::{Variables as _, missing};
use engine::definitions::{Draft, Plan as Planned, plan, reached};
use model::{Problem, TaskKind};
use serde_json::json;
use std::path::{Path, PathBuf};
use store::{Decided, Decision, Store, StoreError, StoredDefinition, TaskFilter};

/// What both verbs take.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct Options {
    /// Deletes what the files lack. Refused while tasks of such routes and incomings are open.
    #[arg(long)]
    pub(crate) prune: bool,
}

/// Arguments of `tramontane plan`.
#[derive(Debug, Args)]
#[command(after_help = "Example: tramontane plan examples/quickstart")]
pub(crate) struct Plan {
    /// A file, or a folder of *.yaml, *.yml and *.json.
    path: PathBuf,
    #[command(flatten)]
    options: Options,
}

/// Arguments of `tramontane apply`.
#[derive(Debug, Args)]
#[command(after_help = "Example: tramontane apply examples/quickstart")]
pub(crate) struct Apply {
    /// A file, or a folder of *.yaml, *.yml and *.json.
    path: PathBuf,
    #[command(flatten)]
    options: Options,
    /// With --prune: cancels the open tasks of what is deleted.
    #[arg(long, requires = "prune")]
    cancel_open: bool,
    /// Shows the plan and changes nothing.
    #[arg(long)]
    dry_run: bool,
}

impl Plan {
    pub(crate) async fn run(self, context: &Context) -> Ended {
        show_plan(context, &self.path, self.options).await
    }
}

async fn show_plan(context: &Context, path: &Path, options: Options) -> Ended {
    let (stored, environment) = stored_so_far(context).await?;
    let planned = planned(path, &stored, options, &environment).await?;
    print_plan(context, &planned);
    Ok(Exit::Done)
}

impl Apply {
    pub(crate) async fn run(self, context: &Context) -> Ended {
        if self.dry_run {
            return show_plan(context, &self.path, self.options).await;
        }
        // What is wrong with the files is said before a data folder is made or taken.
        let (stored, environment) = stored_so_far(context).await?;
        planned(&self.path, &stored, self.options, &environment).await?;
        let store = context.engine_store().await?;
        let (revision, stored) = store.definitions().await?;
        let planned = planned(&self.path, &stored, self.options, &context.environment(&store)).await?;
        refuse_or_cancel_open(store.as_ref(), &planned, self.cancel_open).await?;
        let revision = change(store.as_ref(), revision, &planned).await?;
        print_plan(context, &planned);
        if !context.printer.json() {
            context.printer.say(&format!("applied: the definitions are at revision {revision}"));
        }
        Ok(Exit::Done)
    }
}

/// Applies a folder; returns how many definitions changed.
pub(crate) async fn apply_folder(store: &dyn Store, folder: &Path, options: Options) -> Result<usize, Failure> {
    let (revision, stored) = store.definitions().await?;
    let planned = planned(folder, &stored, options, &Environment::default()).await?;
    change(store, revision, &planned).await?;
    Ok(planned.changes.len())
}

async fn change(store: &dyn Store, revision: i64, planned: &Planned) -> Result<i64, Failure> {
    if planned.is_empty() {
        return Ok(revision);
    }
    Ok(store.change_definitions(revision, planned.changes.clone(), SystemClock.now()).await?)
}

/// What is stored, and where values come from; nothing is stored where there is no store yet.
async fn stored_so_far(context: &Context) -> Result<(Vec<StoredDefinition>, Environment), Failure> {
    match context.read_store().await {
        Ok(store) => Ok((store.definitions().await?.1, context.environment(&store))),
        Err(failure) if failure.problems.iter().any(|problem| problem.code == "store_absent") => {
            Ok((Vec::new(), Environment::default()))
        }
        Err(failure) => Err(failure),
    }
}

async fn planned(
    path: &Path,
    stored: &[StoredDefinition],
    options: Options,
    environment: &Environment,
) -> Result<Planned, Failure> {
    let draft = Draft::read(path).map_err(Failure::refused)?;
    let registry = parts::registry(Prices::shipped());
    let mut planned = plan(draft, stored, &registry, options.prune).map_err(Failure::refused)?;
    let unset = match environment.refresh(&planned.secrets(stored)).await {
        Ok(()) => missing(&planned.definitions, &registry, environment),
        Err(problems) => problems,
    };
    planned.warnings.extend(unset.into_iter().map(Problem::warning));
    let leaving = reached(stored, &planned.changes).into_iter().filter(|reach| !reach.before.is_empty());
    planned.warnings.extend(leaving.map(|reach| reach.problem().warning()));
    Ok(planned)
}

fn print_plan(context: &Context, planned: &Planned) {
    context.printer.problems(&planned.warnings);
    if context.printer.json() {
        context.printer.value(&json!(planned));
    } else {
        context.printer.data(planned.to_string().trim_end());
    }
}

/// Open tasks of what is deleted: a reason to refuse, or to cancel them.
async fn refuse_or_cancel_open(store: &dyn Store, planned: &Planned, cancel: bool) -> Result<(), Failure> {
    let deleted = |kind: &str, name: &str| planned.deleted.iter().any(|gone| gone.kind == kind && gone.name == name);
    let lanes = store.all_lanes().await?;
    let gone = lanes.into_iter().filter(|lane| match lane.kind {
        TaskKind::Pull => deleted("incoming", &lane.name),
        TaskKind::Push => deleted("routes", &lane.name),
    });
    let tally = store.tally(None).await?;
    for lane in gone {
        let open: u64 =
            tally.iter().filter(|tally| tally.lane == lane.id && tally.state.is_open()).map(|tally| tally.count).sum();
        if open == 0 {
            continue;
        }
        if !cancel {
            let reason = format!("{open} tasks of {} \"{}\" are open", lane.kind.as_str(), lane.name);
            return Err(Failure::refused(vec![
                Problem::new("tasks_open", reason).hint("run them to the end, or cancel them with --cancel-open"),
            ]));
        }
        cancel_open(store, lane.id).await?;
    }
    Ok(())
}

async fn cancel_open(store: &dyn Store, lane: store::LaneId) -> Result<(), StoreError> {
    let mut before = None;
    loop {
        let page = store.tasks(TaskFilter { lane: Some(lane), before, limit: 1_000, ..TaskFilter::default() }).await?;
        let Some(last) = page.last() else { return Ok(()) };
        before = Some(last.id);
        let open = page.iter().filter(|task| task.state.is_open()).map(|task| task.id).collect();
        let why = Some("its definition was deleted".to_owned());
        let decided = Decided::new(Decision::Cancel, "cli", why, SystemClock.now());
        store.decide(open, decided).await?;
    }
}
