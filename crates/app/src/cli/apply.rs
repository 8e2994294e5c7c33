//! `tramontane plan` and `tramontane apply`: definitions from files into the store.

use super::against::Against;
use super::people::did;
use super::server::Server;
use super::{Context, Ended, Failure};
use crate::changes::{cancel, carry_out, open_tasks, tasks_open};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::parts;
use clap::Args;
use connectors::mistral::prices::Prices;
use engine::definitions::variables::{Variables as _, missing};
use engine::definitions::{Draft, Plan as Change, Source, plan, reached};
use model::Problem;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use store::{Store, StoredDefinition};

/// What both verbs take.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct Options {
    /// Deletes what the files lack. Refused while tasks of such routes and incomings are open.
    #[arg(long)]
    pub(crate) prune: bool,
}

/// Arguments of `tramontane plan`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples: tramontane plan examples/quickstart
          tramontane plan flows/ --against https://engine.example.com
          tramontane plan --against https://engine.example.com")]
pub(crate) struct Plan {
    /// A file, or a folder of *.yaml, *.yml and *.json.
    #[arg(required_unless_present = "against")]
    path: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    against: Against,
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
    /// Why, for those who look at the revision later.
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
}

/// What a server says that definitions would change there.
#[derive(Debug, Deserialize)]
pub(super) struct Planned {
    pub(super) plan: Change,
    /// Why applying them would be refused, although they hold together.
    pub(super) problems: Vec<Problem>,
}

/// What a server has changed.
#[derive(Debug, Deserialize)]
struct Applied {
    revision: i64,
    plan: Change,
}

impl Plan {
    pub(crate) async fn run(self, context: &Context) -> Ended {
        if let Some(url) = &self.against.against {
            return self.against.show(url, context, self.path.as_deref(), self.options.prune).await;
        }
        show_plan(context, &self.path.unwrap_or_default(), self.options).await
    }
}

async fn show_plan(context: &Context, path: &Path, options: Options) -> Ended {
    if let Some(server) = context.server()? {
        let body = bundle(&sources(path)?, options.prune);
        let Planned { plan, problems } = server.send("POST", &["plan"], Some(&body)).await?;
        if !problems.is_empty() {
            return Err(Failure::refused(problems));
        }
        print_plan(context, &plan);
        return Ok(Exit::Done);
    }
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
        if let Some(server) = context.server()? {
            return self.run_at(&server, context).await;
        }
        // What is wrong with the files is said before a data folder is made or taken.
        let (stored, environment) = stored_so_far(context).await?;
        planned(&self.path, &stored, self.options, &environment).await?;
        let store = context.engine_store().await?;
        let (revision, stored) = store.definitions().await?;
        let planned = planned(&self.path, &stored, self.options, &context.environment(&store)).await?;
        let open = open_tasks(store.as_ref(), &planned).await?;
        if let Some(problem) = tasks_open(&open).filter(|_| !self.cancel_open) {
            let hint = "run them to the end, or cancel them with --cancel-open";
            return Err(Failure::refused(vec![problem.hint(hint)]));
        }
        let record = did("definitions.apply", &self.path.display().to_string());
        let revision = carry_out(store.as_ref(), revision, &planned, self.why, record.clone()).await?;
        cancel(store.as_ref(), &open, &record).await?;
        print_applied(context, revision, &planned);
        Ok(Exit::Done)
    }

    async fn run_at(self, server: &Server, context: &Context) -> Ended {
        let mut body = bundle(&sources(&self.path)?, self.options.prune);
        (body["cancel_open"], body["why"]) = (json!(self.cancel_open), json!(self.why));
        let Applied { revision, plan } = server.send("POST", &["apply"], Some(&body)).await?;
        print_applied(context, revision, &plan);
        Ok(Exit::Done)
    }
}

/// Files as they are sent: what is wrong with them beyond their bytes is for the server to say, which may know more.
fn sources(path: &Path) -> Result<Vec<Source>, Failure> {
    let sources = Draft::sources(path).map_err(Failure::refused)?;
    if sources.iter().any(|source| std::str::from_utf8(&source.bytes).is_err()) {
        Draft::parse(sources.clone()).map_err(Failure::refused)?;
    }
    Ok(sources)
}

/// Definitions as a server takes them.
pub(super) fn bundle(sources: &[Source], prune: bool) -> Value {
    let file = |source: &Source| json!({ "name": source.name, "text": String::from_utf8_lossy(&source.bytes) });
    json!({ "files": sources.iter().map(file).collect::<Vec<_>>(), "prune": prune })
}

/// Applies a folder; returns how many definitions changed.
pub(crate) async fn apply_folder(store: &dyn Store, folder: &Path, options: Options) -> Result<usize, Failure> {
    let (revision, stored) = store.definitions().await?;
    let planned = planned(folder, &stored, options, &Environment::default()).await?;
    let record = did("definitions.apply", &folder.display().to_string());
    carry_out(store, revision, &planned, None, record).await?;
    Ok(planned.changes.len())
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
) -> Result<Change, Failure> {
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

fn print_applied(context: &Context, revision: i64, planned: &Change) {
    print_plan(context, planned);
    if !context.printer.json() {
        context.printer.say(&format!("applied: the definitions are at revision {revision}"));
    }
}

fn print_plan(context: &Context, planned: &Change) {
    context.printer.problems(&planned.warnings);
    if context.printer.json() {
        context.printer.value(&json!(planned));
    } else {
        context.printer.data(planned.to_string().trim_end());
    }
}
