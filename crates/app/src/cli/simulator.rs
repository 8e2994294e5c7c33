//! `tramontane simulator`: the stand-in for the Mistral API.

use super::ledger_check::Check;
use super::run::interrupted;
use super::{Context, Ended, Failure};
use crate::exit::Exit;
use clap::{Args, Subcommand};
use engine::clock::{Clock as _, SystemClock};
use model::Problem;
use model::definition::Span;
use serde_json::json;
use simulator::Faults;
use std::fs::File;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Arguments of `tramontane simulator`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example: tramontane simulator --port 8123 --latency 50ms --speed 60 --ledger ledger.jsonl

The first line on stdout is {\"url\": \"http://127.0.0.1:PORT\"}. Any non-empty key is good but `wrong`. Stops at SIGINT
or SIGTERM.")]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Simulator {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// How long every answer takes.
    #[arg(long, default_value = "0ms", value_name = "DURATION")]
    latency: Span,
    /// Writes one JSON line per request seen and per answer sent.
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
    /// Lets answers go wrong as this file says: YAML or JSON, see docs/simulator.md.
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// How many times faster than the world long work goes: documents, imports, executions.
    #[arg(long, default_value_t = 1.0, value_name = "FACTOR")]
    speed: f64,
    /// Keeps at most this many objects; what is more is refused.
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    max_objects: usize,
    /// When the first file is made, each of the following a second later: `now`, or a time as `2026-11-23T12:00:00Z`.
    /// [default: the beginning of 2026]
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    since: Option<u64>,
    /// Takes only this key.
    #[arg(long)]
    key: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Compares a ledger with the tasks of a store: nothing unrecorded, nothing twice, no answer misread.
    Check(Check),
}

impl Simulator {
    /// Whether a store is compared with.
    pub(super) fn looks_at_store(&self) -> bool {
        self.verb.is_some()
    }

    pub(crate) async fn run(self, context: &Context) -> Ended {
        if let Some(Verb::Check(check)) = self.verb {
            return check.run(context).await;
        }
        let faults = self.faults.as_deref().map(faults).transpose()?;
        let usual = simulator::Options::default();
        let options = simulator::Options {
            faults,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)),
            latency: Duration::from_millis(u64::try_from(self.latency.0).unwrap_or(0)),
            key: self.key,
            ledger: self.ledger,
            clock: simulator::Clock::real(self.speed),
            max_objects: self.max_objects,
            since: self.since.unwrap_or(usual.since),
            ..usual
        };
        let running = simulator::start(options).await.map_err(|error| {
            let problem = Problem::new("simulator", format!("cannot start the simulator: {error}"));
            Failure::new(Exit::Trouble, problem.hint("is the port taken? --port 0 takes a free one"))
        })?;
        context.printer.data(&json!({ "url": running.url() }).to_string());
        interrupted().await;
        running.stop().await;
        Ok(Exit::Done)
    }
}

/// A time in Unix seconds.
fn seconds(text: &str) -> Result<u64, String> {
    let millis = match text {
        "now" => SystemClock.now(),
        text => text.parse::<jiff::Timestamp>().map_err(|error| error.to_string())?.as_millisecond(),
    };
    u64::try_from(millis / 1_000).map_err(|_| "this is before 1970".to_owned())
}

/// The largest faults file, in bytes: nobody writes a larger one by hand.
const MAX_FAULTS: u64 = 1 << 20;

fn faults(path: &Path) -> Result<Faults, Failure> {
    let mut text = String::new();
    let file = path.display().to_string();
    File::open(path).and_then(|file| file.take(MAX_FAULTS + 1).read_to_string(&mut text)).map_err(|error| {
        let problem = Problem::new("faults_unreadable", format!("cannot read the faults file {file}: {error}"));
        Failure::refused(vec![problem.hint("does the file exist, and is it text?")])
    })?;
    if text.len() as u64 > MAX_FAULTS {
        let reason = format!("the faults file {file} is larger than {MAX_FAULTS} bytes");
        return Err(Failure::refused(vec![Problem::new("faults_unreadable", reason)]));
    }
    Faults::read(&text).map_err(|problems| {
        let in_file = |problem| Problem { file: Some(file.clone()), ..problem };
        Failure::refused(problems.into_iter().map(in_file).collect())
    })
}
