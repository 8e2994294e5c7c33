//! What a subscriber gets, where it is asked for: one page, read and not kept.

use super::Asking;
use super::way::HttpSource;
use crate::exchange::{Exchanged, Files};
use crate::flow::open_client;
use model::driver::{Keep, Kept, Source};
use model::{Effect, Evidence, Prepared, Problem, Request};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;
use store::StoreError;

/// How long is waited for a page.
const LONGEST: Duration = Duration::from_secs(60);

/// Reads from the beginning of a driver's source.
///
/// # Errors
/// What the driver says, `test_too_slow`.
pub(super) async fn from_driver(source: &dyn Source, most: usize) -> Result<Vec<Value>, Problem> {
    let keep: Arc<dyn Keep> = Arc::new(Nowhere);
    let pulled = tokio::time::timeout(LONGEST, source.pull(None, most, &keep)).await;
    let page = pulled.map_err(|_| too_slow())?.map_err(|failure| failure.problem)?;
    match page.problems.into_iter().find(Problem::is_error) {
        Some(problem) if page.payloads.is_empty() => Err(problem),
        _ => Ok(page.payloads),
    }
}

/// Asks a service for one page.
///
/// # Errors
/// `test_writes` where the operation does more than read, what keeps the client from being opened, what the service says.
pub(super) async fn from_service(
    Asking { parts, variables, definitions, most }: &Asking<'_>,
    source: &HttpSource,
    request: Request,
    mut prepared: Prepared,
) -> Result<Vec<Value>, Problem> {
    let operation = source.operation.as_ref();
    if operation.effect(&request) != Effect::Read {
        let reason = format!("\"{}\" does more than read, and a test only reads", operation.title());
        return Err(Problem::new("test_writes", reason).hint("give a sample of what it answers"));
    }
    let name = &source.connection.name;
    let absent = || Problem::new("reference_unknown", format!("there is no HTTP client \"{name}\""));
    let client = definitions.http_clients.get(name).ok_or_else(absent)?;
    let client = open_client(name, client, *variables, parts.standing.gate(name))?;
    prepared.http.keep = false;
    if let Some(until) = &mut prepared.http.until {
        until.events = u32::try_from(*most).unwrap_or(u32::MAX);
    }
    if client.gate().closed_until(parts.clock.now()).is_some() {
        return Err(Problem::new("client_paused", format!("the service behind \"{name}\" has said: not now")));
    }
    let files: Arc<dyn Files> = Arc::new(Nowhere);
    let asking = async {
        let shut = || Problem::new("client_paused", format!("nothing may be sent to \"{name}\" from here at present"));
        let _permit = client.gate().permit().await.ok_or_else(shut)?;
        Ok(client.exchange(&prepared.http, operation.credential(), None, &files).await)
    };
    let exchanged = tokio::time::timeout(LONGEST, asking).await.map_err(|_| too_slow())??;
    read(source, exchanged, *most, parts.clock.now())
}

fn read(source: &HttpSource, exchanged: Exchanged, most: usize, now: i64) -> Result<Vec<Value>, Problem> {
    let operation = source.operation.as_ref();
    let answer = match exchanged.ended_by(operation) {
        Exchanged::Answer(answer) => answer,
        Exchanged::Lost { problem, .. } => return Err(problem),
        Exchanged::Unkept { error, .. } => return Err(error.problem()),
    };
    let reading = operation.read(&answer);
    if let Some(problem) = reading.problem.filter(Problem::is_error) {
        return Err(problem);
    }
    if reading.evidence != Evidence::Answered {
        return Err(Problem::new("refused", reading.evidence.in_words()));
    }
    let items = if source.split { operation.items(&reading.answer) } else { None };
    let mut payloads = items.unwrap_or_else(|| vec![reading.answer]);
    payloads.truncate(most);
    if let Some(stop_when) = &source.stop_when {
        for (at, payload) in payloads.iter().enumerate() {
            if stop_when.holds(payload, now).map_err(|problem| problem.within("stop_when"))? {
                payloads.truncate(at);
                break;
            }
        }
    }
    Ok(payloads)
}

fn too_slow() -> Problem {
    Problem::new("test_too_slow", format!("nothing came within {} s", LONGEST.as_secs()))
}

/// Keeps nothing: says only what there was.
struct Nowhere;

impl Keep for Nowhere {
    fn keep(&self, from: &mut dyn Read) -> Result<Kept, Problem> {
        pass(from).map_err(|error| Problem::new("file_unreadable", error.to_string()))
    }

    fn discard(&self, _: &Kept) {}
}

impl Files for Nowhere {
    fn open(&self, id: &str) -> Result<File, Problem> {
        Err(Problem::new("blob_missing", format!("a test has no blob \"{}\"", id.escape_debug())))
    }

    fn keep(&self, from: &mut dyn Read) -> Result<Kept, StoreError> {
        pass(from).map_err(|error| StoreError::Io { what: "cannot read".to_owned(), error })
    }
}

fn pass(from: &mut dyn Read) -> io::Result<Kept> {
    let (mut hash, mut size, mut piece) = (Sha256::new(), 0, vec![0; 64 << 10]);
    loop {
        let length = from.read(&mut piece)?;
        let Some(read) = piece.get(..length).filter(|read| !read.is_empty()) else { break };
        hash.update(read);
        size += read.len() as u64;
    }
    let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Kept { id: "not-kept".to_owned(), size, sha256 })
}
