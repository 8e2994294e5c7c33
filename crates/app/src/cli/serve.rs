//! `tramontane serve`: runs everything that is defined, until it is told to stop.

use super::file_roots::FileRoots;
use super::run::interrupted;
use super::{Context, Ended, Failure, prices};
use crate::activities::Worker;
use crate::exit::Exit;
use crate::parts;
use crate::server::{self, Door, Hosts, Hub, Limits, Proxies, Reception, Requests, Room, control, host_name};
use crate::settings;
use crate::sign_in::SigningIn;
use crate::token;
use clap::Args;
use engine::random::Seeded;
use engine::{Engine, Parts, Runner, RunnerOptions, Standing, Status, Until, WorkEnd, WorkOptions};
use model::Problem;
use model::definition::Span;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use store::{AuditEntry, NewLink, Store};
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Other commands of this machine at once.
const OWN_CONNECTIONS: usize = 64;

/// Arguments of `tramontane serve`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example: tramontane serve

/healthz says whether it lives, /readyz whether it works. Webhooks are at /webhooks/ and what `tramontane webhooks`
shows. SIGTERM: nothing new is begun, calls under way are awaited, the rest is handed back.")]
pub(crate) struct Serve {
    /// Address to listen on, or unix:PATH for a socket of the file system; may be given more than once.
    #[arg(
        long,
        default_value = "127.0.0.1:8420",
        env = "TRAMONTANE_LISTEN",
        value_delimiter = ',',
        value_name = "ADDRESS"
    )]
    listen: Vec<Door>,
    /// A name under which it may be asked, besides this machine's own and the address; may be repeated.
    #[arg(long, env = "TRAMONTANE_HOSTS", value_delimiter = ',', value_parser = host_name, value_name = "NAME")]
    host: Vec<String>,
    /// Whoever is signed in and does nothing for so long is signed out.
    #[arg(long, default_value = "12h", env = "TRAMONTANE_SESSION_IDLE", value_name = "DURATION")]
    session_idle: Span,
    /// Whoever is signed in is signed out after so long.
    #[arg(long, default_value = "7d", env = "TRAMONTANE_SESSION_END", value_name = "DURATION")]
    session_end: Span,
    /// Where the proxy that stands before it connects from: an address, a network (10.0.0.0/24), or unix. What it says of
    /// who asks is believed. Without one, only this machine may come.
    #[arg(long, env = "TRAMONTANE_BEHIND_PROXY", value_delimiter = ',', value_name = "ADDRESS")]
    behind_proxy: Vec<String>,
    /// Connections at once. Where there are more, the one goes that has been idle for the longest.
    #[arg(long, default_value_t = 1_024, env = "TRAMONTANE_CONNECTIONS", value_name = "N")]
    connections: usize,
    /// Connections at once from one address; proxies are not counted.
    #[arg(long, default_value_t = 64, env = "TRAMONTANE_CONNECTIONS_EACH", value_name = "N")]
    connections_each: usize,
    /// Shows /metrics without a token. Only where no other machine may come.
    #[arg(long)]
    open_metrics: bool,
    /// How long calls under way are awaited when it is told to stop.
    #[arg(long, default_value = "30s", value_name = "DURATION")]
    grace: Span,
    /// Runs what is due, and ends: schedules that have come, tasks that are queued. Listens to nothing.
    #[arg(long)]
    once: bool,
    /// With --once: how long to wait for what comes due later, with nothing else to do.
    #[arg(long, default_value = "0s", value_name = "DURATION", requires = "once")]
    wait: Span,
    #[command(flatten)]
    file_roots: FileRoots,
}

impl Serve {
    pub(crate) async fn run(self, context: &Context) -> Ended {
        let prices = prices::in_use(&context.data())?;
        let store = context.own_store().await?;
        context.keys.check(store.as_ref()).await.map_err(|problem| Failure::refused(vec![problem]))?;
        prices::agree(store.as_ref(), &prices).await?;
        let parts = Parts {
            store: store.clone(),
            registry: parts::registry(prices),
            clock: settings::clock_of(&store).await?,
            random: Arc::new(Seeded::from_process()),
            variables: Arc::new(context.environment(&store)),
            standing: Arc::new(Standing::default()),
        };
        if self.once { self.once(context, parts).await } else { self.serve(context, parts).await }
    }

    async fn once(self, context: &Context, parts: Parts) -> Ended {
        let trouble = |problem| Failure::new(Exit::Trouble, problem);
        let engine = Engine::open(parts).await.map_err(Failure::refused)?;
        engine.take_over().await.map_err(trouble)?;
        engine.tick().await.map_err(trouble)?;
        let (stop, stopping) = watch::channel(false);
        let work = engine.work(WorkOptions { lanes: None, until: Until::Idle(self.wait.0), stop: stopping });
        let end = tokio::select! {
            end = work => end.map_err(trouble)?,
            () = async { interrupted().await; stop.send_replace(true); std::future::pending().await } => WorkEnd::Stopped,
        };
        let word = match end {
            WorkEnd::Idle => "idle",
            WorkEnd::Waiting(_) => "waiting",
            WorkEnd::Stopped => "stopped",
        };
        if context.printer.json() {
            context.printer.value(&json!({ "end": word }));
        }
        Ok(match end {
            WorkEnd::Idle => Exit::Done,
            WorkEnd::Waiting(_) => Exit::Waiting,
            WorkEnd::Stopped => Exit::Stopped,
        })
    }

    async fn serve(self, context: &Context, parts: Parts) -> Ended {
        let doors = self.open(parts.store.as_ref()).await?;
        let (stop, stopping) = watch::channel(false);
        let (say, status) = watch::channel(Status::default());
        let (close, closing) = watch::channel(false);
        let shared = server::Shared {
            store: parts.store.clone(),
            clock: parts.clock.clone(),
            standing: parts.standing.clone(),
            status: status.clone(),
            parts: parts.clone(),
            keys: context.keys.clone(),
            turns: Arc::default(),
            choices: Arc::default(),
            file_roots: self.file_roots.made(context)?,
            hub: Hub::new(closing.clone()),
            room: Room::new(Limits { all: self.connections.max(1), each: self.connections_each.max(1) }),
            logs: context.logs.clone(),
            requests: Arc::new(Requests::new(parts.clock.now())),
            open_metrics: self.open_metrics,
            signing_in: Arc::new(SigningIn::new(self.session_idle.0, self.session_end.0)),
        };
        let addresses = doors.iter().filter_map(|(door, _)| door.address()).collect::<Vec<_>>();
        let hosts = Hosts::new(&addresses, &self.host);
        let setup = setup(&shared).await?;
        let proxies = Proxies::read(&self.behind_proxy).map_err(|problem| Failure::new(Exit::Refused, problem))?;
        let reception =
            |router, proxies| Reception { router, room: shared.room.clone(), proxies, stop: closing.clone() };
        let outside = reception(server::public(shared.clone(), hosts), Arc::new(proxies));
        let mut serving = JoinSet::new();
        serving.spawn(shared.hub.clone().run(shared.clone()));
        #[cfg(feature = "otel")]
        if let Some(tracing) = crate::otel::begin(&parts.standing, parts.store.id())
            .map_err(|problem| Failure::new(Exit::Refused, problem))?
        {
            // Ends with the process: what is told last may be lost.
            tokio::spawn(tracing);
        }
        let mut places = Vec::new();
        for (door, listener) in doors {
            places.push(door);
            serving.spawn(server::listen(listener, outside.clone()));
        }
        if let Some(socket) = self.own_socket(context, &parts)? {
            let room = Room::new(Limits { all: OWN_CONNECTIONS, each: OWN_CONNECTIONS });
            let inside = Reception { room, ..reception(control::router(shared.clone()), Arc::default()) };
            serving.spawn(server::listen(server::Listener::Unix(socket), inside));
        }
        let worker = Worker::new(parts.store.clone(), parts.clock.clone(), parts.standing.clone(), worker_name()?);
        let activities = tokio::spawn(worker.run(stopping.clone()));
        let grace = Duration::from_millis(u64::try_from(self.grace.0).unwrap_or(0));
        let runner = Runner::new(parts, RunnerOptions { stop: stopping, grace, status: say });
        let running = tokio::spawn(runner.run());
        let announce = announce(context, &places, setup, status);
        let ended = tokio::select! {
            ended = running => ended,
            () = async { announce.await; std::future::pending().await } => return Ok(Exit::Stopped),
            () = stop_on_signal(context, &stop) => return Ok(Exit::Stopped),
        };
        close.send_replace(true);
        stop.send_replace(true);
        let _ = activities.await;
        while serving.join_next().await.is_some() {}
        match ended {
            Ok(ended) => ended.map_err(Failure::refused)?,
            Err(error) => return Err(Failure::new(Exit::Trouble, Problem::new("runner_panicked", error.to_string()))),
        }
        Ok(Exit::Done)
    }

    /// Opens the doors, where they may be opened.
    async fn open(&self, store: &dyn Store) -> Result<Vec<(Door, server::Listener)>, Failure> {
        let refused = |problem| Failure::new(Exit::Refused, problem);
        let proxies = Proxies::read(&self.behind_proxy).map_err(refused)?;
        server::may_open(&self.listen, &proxies, self.open_metrics, store).await?.map_err(refused)?;
        let mut open = Vec::new();
        for door in &self.listen {
            open.push(door.open().await.map_err(|problem| Failure::new(Exit::Trouble, problem))?);
        }
        Ok(open)
    }

    /// The socket that other commands of this machine use, where nobody else may write to the store.
    fn own_socket(&self, context: &Context, parts: &Parts) -> Result<Option<UnixListener>, Failure> {
        if parts.store.is_shared() {
            return Ok(None);
        }
        let path = control::socket(&context.data());
        // We hold the folder, so a socket that is there was left behind.
        let _ = std::fs::remove_file(&path);
        let socket = UnixListener::bind(&path).and_then(|socket| make_private(&path).map(|()| socket));
        match socket {
            Ok(socket) => Ok(Some(socket)),
            Err(error) => {
                let reason = format!("cannot make the socket {}: {error}", path.display());
                let hint = "other commands cannot write while this runs; a shorter path of the data folder may help";
                context.printer.problem(&Problem::new("socket", reason).hint(hint).warning());
                Ok(None)
            }
        }
    }
}

/// What tells this process from all others that work on activities.
fn worker_name() -> Result<String, Failure> {
    let mut bits = [0; 8];
    getrandom::fill(&mut bits)
        .map_err(|error| Failure::new(Exit::Trouble, Problem::new("no_random", error.to_string())))?;
    Ok(format!("{:016x}", u64::from_ne_bytes(bits)))
}

fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}

/// Where on the server the first administrator is made, where nobody can come in yet.
async fn setup(shared: &server::Shared) -> Result<Option<String>, Failure> {
    let can_come_in = shared.store.ways_in().await?.iter().any(|way| way.has_password)
        || !shared.store.access_tokens().await?.is_empty();
    if can_come_in {
        return Ok(None);
    }
    let (bits, hash) = token::make_bits().map_err(|problem| Failure::new(Exit::Trouble, problem))?;
    let (at, text) = (shared.clock.now(), str::to_owned);
    let link = NewLink { hash, person: None, expires_at: at + token::LINK_COUNTS };
    let audit = AuditEntry {
        id: 0,
        at,
        who: text("serve"),
        origin: text("serve"),
        what: text("link.add"),
        subject: text("the first administrator"),
        details: None,
    };
    shared.store.add_link(link, audit).await?;
    Ok(Some(token::link_path(&bits)))
}

/// Says where it listens, once work goes on: on stdout with `--json`, so that programs can wait for it.
async fn announce(context: &Context, places: &[Door], setup: Option<String>, mut status: watch::Receiver<Status>) {
    if status.wait_for(|status| status.ready).await.is_err() {
        return;
    }
    if context.printer.json() {
        let url = places.first().map(ToString::to_string);
        let all: Vec<String> = places.iter().map(ToString::to_string).collect();
        let mut said = json!({ "url": url, "listens": all });
        if let Some(path) = setup {
            said["setup"] = format!("{}{path}", url.unwrap_or_default()).into();
        }
        context.printer.data(&said.to_string());
    } else {
        places.iter().for_each(|place| context.remark(&format!("serving on {place}")));
        if let (Some(path), Some(place)) = (setup, places.first()) {
            context.printer.say(&format!("to make the first administrator, open {place}{path}"));
        }
    }
}

/// The first signal stops politely; the second one ends at once.
async fn stop_on_signal(context: &Context, stop: &watch::Sender<bool>) {
    interrupted().await;
    context.remark("stopping: calls under way are awaited, nothing new is begun (once more to stop at once)");
    stop.send_replace(true);
    interrupted().await;
}
