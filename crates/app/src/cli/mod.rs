//! The command line: a file per verb.

mod activities;
mod against;
mod alerts;
mod apply;
mod audit;
mod backup;
mod call;
mod call_files;
mod catalogue;
mod completion;
mod decide;
mod decide_at;
mod demo;
mod doctor;
mod entities;
mod environment;
mod export;
mod file_roots;
mod filter;
mod kept;
mod ledger_check;
mod models;
mod openapi;
mod people;
mod place;
mod prices;
mod prune;
mod run;
mod run_at;
mod schedules;
mod secrets;
mod serve;
mod server;
mod simulator;
mod storages;
mod store_copy;
mod summary;
mod tasks;
mod tokens;
mod r#try;
mod usage;
mod webhooks;

pub(crate) use entities::method;

use crate::environment::Environment;
use crate::exit::Exit;
use crate::held::HeldStore;
use crate::imports::{Imports, use_imported};
use crate::keys::Keys;
use crate::logs::{LogFormat, Logs, ToMemory, ToStderr};
use crate::print::{Printer, time};
use crate::settings;
use clap::{Parser, Subcommand};
use engine::clock::{Clock, SystemClock};
use model::Problem;
use secrecy::{ExposeSecret as _, SecretString};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use store::PostgresStore;
use store::blobs::make_private_folder;
use store::sqlite::{Access, SqliteStore, Upgrade};
use store::{Store, StoreError};
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// Connects a company's systems to Mistral AI: durable tasks, no call paid twice, everything can be tried offline.
#[derive(Debug, Parser)]
#[command(name = "tramontane", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// Folder of the store. Made on first use, readable by you alone.
    #[arg(long, global = true, env = "TRAMONTANE_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// A PostgreSQL database instead of the folder's own: `postgres://user:password@host/name`. Blobs stay in the
    /// folder, which all machines must share.
    #[arg(long, global = true, env = "TRAMONTANE_DATABASE", value_name = "URL", hide_env_values = true)]
    database: Option<String>,
    /// Speaks to this server in the place of a store: the same commands, the same output.
    #[arg(long, global = true, env = "TRAMONTANE_SERVER", value_name = "URL")]
    server: Option<String>,
    /// A token of that server. In the environment nobody reads it along.
    #[arg(long, global = true, env = "TRAMONTANE_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: Option<SecretString>,
    /// File with the key that seals secrets; for its owner alone. Without one: secrets.key in the data folder.
    #[arg(long, global = true, env = "TRAMONTANE_KEY_FILE", value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Prints JSON on stdout.
    #[arg(long, global = true)]
    json: bool,
    /// Prints no colours.
    #[arg(long, global = true, env = "NO_COLOR", value_parser = clap::builder::FalseyValueParser::new(), hide_env_values = true)]
    no_color: bool,
    /// How what happens is written to stderr.
    #[arg(
        long,
        global = true,
        hide_possible_values = true,
        hide_default_value = true,
        env = "TRAMONTANE_LOG_FORMAT",
        value_name = "text|json",
        default_value = "text"
    )]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done                                     5    the service said not now
  1  trouble: a disk, a store                 6    failed
  2  wrong command line                       7    outcome unknown
  3  refused before anything was sent         8    what is left comes due later
  4  not sent                                 130  stopped";

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists the operations of the Mistral API, or shows one.
    Entities(entities::Entities),
    /// Takes newer documents of the API into use.
    Catalogue(catalogue::CatalogueVerb),
    /// Makes one call and prints its answer. Nothing is stored.
    Call(Box<call::Call>),
    /// Shows what applying definitions would change.
    Plan(apply::Plan),
    /// Applies definitions: all of them or none.
    Apply(apply::Apply),
    /// Shows what a definition does to data, step by step. Nothing is kept.
    Try(r#try::Try),
    /// Writes the stored definitions as YAML.
    Export(export::Export),
    /// Runs an incoming: takes its data in and works until all of it is through.
    Run(run::Run),
    /// Runs everything that is defined, until it is told to stop.
    Serve(serve::Serve),
    /// Shows schedules and when they run next, pauses them and lets them go on.
    Schedules(schedules::Schedules),
    /// Shows the addresses that others send to.
    Webhooks(webhooks::Webhooks),
    /// Shows what transformers remembered, and changes it.
    Storages(storages::Storages),
    /// Looks at tasks and decides about them.
    Tasks(tasks::Tasks),
    /// Shows work about many tasks that goes on by itself, pauses it and stops it.
    Activities(activities::Activities),
    /// Sums what calls used and are estimated to cost, by route, model or day.
    Usage(usage::Usage),
    /// Shows who may use the server, and changes what they may do.
    People(people::People),
    /// Makes tokens for the API, lists and deletes them.
    Tokens(tokens::Tokens),
    /// Shows what people did, and were kept from doing.
    Audit(audit::Audit),
    /// Says what this server is called, and in which colour it is shown.
    Environment(environment::Environment),
    /// Shows how alerts stand, tries and mutes them.
    Alerts(alerts::Alerts),
    /// Shows which models are in use, and which of those go.
    Models(models::Models),
    /// Keeps keys and other secrets sealed in the store, and changes the key that seals them.
    Secrets(secrets::SecretsVerb),
    /// Shows the prices that costs are estimated by.
    Prices(prices::PricesVerb),
    /// Deletes old tasks, as routes and incoming say what is kept.
    Prune(prune::Prune),
    /// Copies the whole store to one file, also while an engine works.
    Backup(backup::Backup),
    /// Puts a backup into a new data folder.
    Restore(backup::Restore),
    /// Copies a whole store into another one, of PostgreSQL for example.
    Store(store_copy::StoreVerb),
    /// Looks the data folder over, and says what to do about what it finds.
    Doctor(doctor::Doctor),
    /// Prints the API of `serve` as an OpenAPI document.
    Openapi(openapi::OpenApi),
    /// Prints a script that completes commands in a shell.
    Completion(completion::Completion),
    /// Prints the manual page, or writes one for every verb.
    Man(completion::Man),
    /// Starts the stand-in for the Mistral API.
    Simulator(simulator::Simulator),
    /// Shows the product at work: 20 products, a simulator, 20 descriptions.
    Demo(demo::Demo),
}

/// What a command works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum On {
    /// A store, or a server in its place.
    Store,
    /// What only the machine that has the store has: its files, its ports.
    Machine,
    /// Nothing that is kept anywhere.
    Nothing,
}

impl Command {
    fn on(&self) -> On {
        match self {
            Self::Entities(_) | Self::Openapi(_) | Self::Completion(_) | Self::Man(_) => On::Nothing,
            Self::Simulator(verb) if !verb.looks_at_store() => On::Nothing,
            Self::Simulator(_)
            | Self::Catalogue(_)
            | Self::Call(_)
            | Self::Serve(_)
            | Self::Prices(_)
            | Self::Prune(_)
            | Self::Backup(_)
            | Self::Restore(_)
            | Self::Store(_)
            | Self::Doctor(_)
            | Self::Demo(_) => On::Machine,
            // What no server can be asked of these is refused where the store would be opened.
            _ => On::Store,
        }
    }
}

/// What every verb gets.
pub(crate) struct Context {
    pub(crate) printer: Printer,
    pub(crate) keys: Arc<Keys>,
    /// What was said of late, where it is kept: by `serve`.
    pub(crate) logs: Arc<Logs>,
    log_format: LogFormat,
    data: Option<PathBuf>,
    database: Option<String>,
    server: Option<String>,
    token: Option<SecretString>,
}

/// What a verb ends with: an exit code, or problems that are printed.
pub(crate) type Ended = Result<Exit, Failure>;

/// Problems with the exit code that they mean.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) problems: Vec<Problem>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, problem: Problem) -> Self {
        Self { exit, problems: vec![problem] }
    }

    pub(crate) fn refused(problems: Vec<Problem>) -> Self {
        Self { exit: Exit::Refused, problems }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(Exit::Trouble, error.problem())
    }
}

impl Context {
    /// A remark about how it goes; where programs read the log, it is a part of that.
    pub(crate) fn remark(&self, text: &str) {
        match self.log_format {
            LogFormat::Text => self.printer.say(text),
            LogFormat::Json => tracing::info!("{text}"),
        }
    }

    /// The data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.data.clone().unwrap_or_else(settings::default_data)
    }

    /// Opens the store for work: nobody else may.
    pub(crate) async fn own_store(&self) -> Result<Arc<dyn Store>, Failure> {
        self.refuse_server()?;
        match &self.database {
            Some(url) => self.postgres(url).await,
            None => Ok(Arc::new(self.open_sqlite()?)),
        }
    }

    /// Opens the store for writing: itself, or through the engine that holds it.
    pub(crate) async fn engine_store(&self) -> Result<Arc<dyn Store>, Failure> {
        Ok(self.writing_store().await?.0)
    }

    /// The data folder, for verbs that look at its files.
    pub(crate) fn files(&self) -> Result<PathBuf, Failure> {
        if self.database.is_none() {
            return Ok(self.data());
        }
        let problem = Problem::new("not_for_postgres", "this is for a store in a data folder, not for PostgreSQL");
        Err(Failure::refused(vec![
            problem.hint("use pg_dump and the server's own checks; keep the folder of blobs with it"),
        ]))
    }

    async fn postgres(&self, url: &str) -> Result<Arc<dyn Store>, Failure> {
        make_private_folder(&self.data()).map_err(|error| StoreError::io("cannot make", &self.data(), error))?;
        Ok(Arc::new(PostgresStore::connect(url, &self.data().join("blobs")).await?))
    }

    fn open_sqlite(&self) -> Result<SqliteStore, StoreError> {
        let store = open_sqlite(&self.data())?;
        if let Some(Upgrade { from, to, copy }) = store.upgrade() {
            let copy = copy.display();
            self.printer.say(&format!("the store was brought from version {from} to {to}; as it was before: {copy}"));
        }
        Ok(store)
    }

    /// As [`Context::engine_store`]; tells whether it is ours to work on.
    pub(crate) async fn writing_store(&self) -> Result<(Arc<dyn Store>, bool), Failure> {
        self.refuse_server()?;
        if let Some(url) = &self.database {
            return Ok((self.postgres(url).await?, true));
        }
        match self.open_sqlite() {
            Err(held @ StoreError::Held { .. }) => Ok((Arc::new(HeldStore::open(&self.data(), held).await?), false)),
            store => Ok((Arc::new(store?), true)),
        }
    }

    /// Values for definitions, with the secrets of this store.
    pub(crate) fn environment(&self, store: &Arc<dyn Store>) -> Environment {
        Environment::of(store.clone(), self.keys.clone())
    }

    /// Opens the store for reading, also beside a running engine.
    pub(crate) async fn read_store(&self) -> Result<Arc<dyn Store>, Failure> {
        self.refuse_server()?;
        if let Some(url) = &self.database {
            return self.postgres(url).await;
        }
        Ok(Arc::new(SqliteStore::open(&self.data(), Access::Read)?))
    }
}

/// Opens a store for work.
pub(crate) fn open_engine_store(folder: &std::path::Path) -> Result<Arc<dyn Store>, Failure> {
    Ok(Arc::new(open_sqlite(folder)?))
}

fn open_sqlite(folder: &std::path::Path) -> Result<SqliteStore, StoreError> {
    let holder = format!("process {}, since {}", std::process::id(), time(SystemClock.now()));
    SqliteStore::open(folder, Access::Engine(holder))
}

/// Runs a command and says how it ended.
pub(crate) fn run(cli: Cli) -> ExitCode {
    let data = cli.data.clone().unwrap_or_else(settings::default_data);
    let context = Context {
        printer: Printer::new(cli.json, cli.no_color),
        keys: Arc::new(Keys::new(cli.key_file.as_deref(), &data)),
        logs: Arc::default(),
        log_format: cli.log_format,
        data: cli.data,
        database: cli.database,
        server: cli.server.filter(|url| !url.is_empty()),
        token: cli.token.filter(|token| !token.expose_secret().is_empty()),
    };
    let on = cli.command.on();
    if context.server.is_some() && on == On::Nothing {
        context.printer.say("this asks no server: --server is not used");
    }
    let allowed = if on == On::Machine { context.refuse_server() } else { Ok(()) };
    let ready = allowed.and_then(|()| match cli.command {
        // The server has imports of its own.
        _ if context.server.is_some() && on == On::Store => Ok(()),
        // These look at imports themselves, or do not need them: they set right what is wrong with them.
        Command::Catalogue(_)
        | Command::Backup(_)
        | Command::Restore(_)
        | Command::Doctor(_)
        | Command::Store(_)
        | Command::Demo(_)
        | Command::Openapi(_)
        | Command::Completion(_)
        | Command::Man(_) => Ok(()),
        _ => use_imported(&context.data()).map_err(|problem| Failure::refused(vec![problem])),
    });
    let ended = match cli.command {
        _ if ready.is_err() => ready.map(|()| Exit::Done),
        // These need no runtime, and so start at once.
        Command::Entities(verb) => verb.run(&context),
        Command::Prices(verb) => verb.run(&context),
        Command::Openapi(verb) => verb.run(&context),
        Command::Completion(verb) => verb.run(&context),
        Command::Man(verb) => verb.run(&context),
        verb => in_runtime(&context, verb),
    };
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => {
            context.printer.problems(&failure.problems);
            say_import(&context, &failure.problems);
            failure.exit.into()
        }
    }
}

/// An operation may be missing because of what was imported.
fn say_import(context: &Context, problems: &[Problem]) {
    if context.server.is_none()
        && problems.iter().any(|problem| problem.code == "entity_unknown")
        && let Ok(imports) = Imports::read(&context.data())
        && let Some(import) = imports.current()
    {
        let (number, file) = (import.number, &import.file);
        context.printer.say(&format!("import {number} ({file}) is in use; tramontane catalogue undo goes back"));
    }
}

/// What the engine and the simulator have to say goes to stderr, from warnings on; `TRAMONTANE_LOG` asks for more.
fn log_to_stderr(context: &Context, keeps: bool) {
    let wanted = settings::environment("TRAMONTANE_LOG").unwrap_or_else(|| "warn".to_owned());
    let filter = EnvFilter::try_new(&wanted).unwrap_or_else(|_| EnvFilter::new("warn"));
    let to_memory = keeps.then(|| ToMemory(context.logs.clone()).with_filter(LevelFilter::INFO));
    let subscriber =
        tracing_subscriber::registry().with(ToStderr(context.log_format).with_filter(filter)).with(to_memory);
    // Only a second one could fail, and there is none.
    let _ = subscriber.try_init();
}

fn in_runtime(context: &Context, verb: Command) -> Ended {
    log_to_stderr(context, matches!(verb, Command::Serve(_)));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK).build();
    let runtime = runtime.map_err(|error| {
        Failure::new(Exit::Trouble, Problem::new("runtime", format!("cannot start threads: {error}")))
    })?;
    let ended = runtime.block_on(async {
        match verb {
            Command::Entities(verb) => verb.run(context),
            Command::Prices(verb) => verb.run(context),
            Command::Openapi(verb) => verb.run(context),
            Command::Completion(verb) => verb.run(context),
            Command::Man(verb) => verb.run(context),
            Command::Catalogue(verb) => verb.run(context).await,
            Command::Call(verb) => verb.run(context).await,
            Command::Plan(verb) => verb.run(context).await,
            Command::Apply(verb) => verb.run(context).await,
            Command::Try(verb) => verb.run(context).await,
            Command::Export(verb) => verb.run(context).await,
            Command::Run(verb) => verb.run(context).await,
            Command::Serve(verb) => verb.run(context).await,
            Command::Schedules(verb) => verb.run(context).await,
            Command::Webhooks(verb) => verb.run(context).await,
            Command::Storages(verb) => verb.run(context).await,
            Command::Tasks(verb) => verb.run(context).await,
            Command::Activities(verb) => verb.run(context).await,
            Command::Usage(verb) => verb.run(context).await,
            Command::People(verb) => verb.run(context).await,
            Command::Tokens(verb) => verb.run(context).await,
            Command::Audit(verb) => verb.run(context).await,
            Command::Environment(verb) => verb.run(context).await,
            Command::Alerts(verb) => verb.run(context).await,
            Command::Models(verb) => verb.run(context).await,
            Command::Secrets(verb) => verb.run(context).await,
            Command::Prune(verb) => verb.run(context).await,
            Command::Backup(verb) => verb.run(context).await,
            Command::Restore(verb) => verb.run(context).await,
            Command::Doctor(verb) => verb.run(context).await,
            Command::Store(verb) => verb.run(context).await,
            Command::Simulator(verb) => verb.run(context).await,
            Command::Demo(verb) => verb.run(context).await,
        }
    });
    runtime.shutdown_background();
    ended
}

/// Transformers may recurse; their depth is bounded by what is left of the stack.
const STACK: usize = 8 << 20;
