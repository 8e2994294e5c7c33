//! From a request to its answer.

use crate::answer::Answer;
use crate::faults::Player;
use crate::judge::{self, Asked, Judged};
use crate::ledger::{Ledger, Seen, Ticket};
use crate::objects::{self, Asking};
use crate::operation::{Handler, Operation, Operations};
use crate::outgoing::{Outbox, Outgoing};
use crate::refusal::{Form, Refusal};
use crate::routes::Found;
use crate::state::World;
use crate::{
    Options, audio, batch, classifier, completion, conversations, embeddings, faults, members, mistakes, ocr, stand_in,
};
use bytes::{Bytes, BytesMut};
use connectors::openapi::catalogue::{Catalogue, Method, Stream};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::header::HeaderValue;
use hyper::http::request::Parts;
use hyper::{Request, Response};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// Largest body that is read, in bytes.
pub(crate) const MAX_BODY: usize = 16 << 20;

/// How much of a too large body is read and thrown away, so that the client gets to read the answer.
const MAX_WASTE: usize = 64 << 20;

/// How long a client may take to send a body.
const BODY_TIME: Duration = Duration::from_secs(120);

/// Timers count whole milliseconds and round up: so much later than asked, on average.
const TIMER_ROUNDS_UP: Duration = Duration::from_micros(500);

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Server {
    operations: Operations,
    world: World,
    options: Options,
    base: String,
    pub(crate) ledger: Option<Ledger>,
    /// What goes wrong on purpose; nothing costs anything where nothing does.
    faults: Option<Player>,
    seen: AtomicU64,
}

/// A body as far as it was read.
enum Read {
    Whole(Bytes),
    TooLarge,
}

/// The client went away, or took too long, before its request was whole.
#[derive(Debug)]
pub(crate) struct Unread;

impl std::fmt::Display for Unread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the request did not arrive whole")
    }
}

impl std::error::Error for Unread {}

impl Server {
    pub(crate) fn new(catalogue: &'static Catalogue, options: Options, base: String, ledger: Option<Ledger>) -> Self {
        let operations = Operations::new(catalogue);
        let world = World::new(options.max_objects, options.examples, options.since);
        let faults = options.faults.clone().map(Player::new);
        Self { operations, world, options, base, ledger, faults, seen: AtomicU64::new(0) }
    }

    /// Whether connections are to watch what becomes of their answers.
    pub(crate) fn watches(&self) -> bool {
        self.ledger.is_some() || self.faults.is_some()
    }

    /// Requests that were read whole.
    pub(crate) fn seen(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }

    /// Serves one request. An error closes the connection without an answer.
    pub(crate) async fn serve(
        &self,
        request: Request<Incoming>,
        outbox: Option<Arc<Outbox>>,
    ) -> Result<Response<Outgoing>, Unread> {
        let (head, body) = request.into_parts();
        if let (Some(player), Some(outbox)) = (&self.faults, &outbox)
            && player.resets_unread(self.number(&head))
        {
            outbox.reset();
            return Err(Unread);
        }
        let read = match tokio::time::timeout(BODY_TIME, read(body)).await {
            Ok(read) => read?,
            Err(_) => return Err(Unread),
        };
        // Only a latency needs the time; asking for it costs.
        let latency = self.options.latency;
        let due = (!latency.is_zero()).then(|| Instant::now() + latency.saturating_sub(TIMER_ROUNDS_UP));
        let n = self.seen.fetch_add(1, Ordering::Relaxed) + self.ledger.as_ref().map_or(0, Ledger::first);
        let ticket = match self.note(n, &head, &read).await {
            Ok(ticket) => ticket,
            Err(error) => {
                let refusal = Refusal::Broken(format!("the ledger cannot be written: {error}"));
                return Ok(refusal.answer(Form::Plain).into_response(n, None));
            }
        };
        let answer = match (&self.faults, &outbox) {
            // Boxed, so that the way without faults stays small.
            (Some(player), Some(outbox)) => Box::pin(self.spoilt(player, &head, &read, outbox)).await?,
            _ => self.usual(&head, &read),
        };
        if let Some(due) = due {
            tokio::time::sleep_until(due).await;
        }
        Ok(answer.into_response(n, ticket.zip(outbox)))
    }

    fn usual(&self, head: &Parts, read: &Read) -> Answer {
        match read {
            Read::Whole(body) => self.answer(head, body),
            Read::TooLarge => Refusal::TooLarge(MAX_BODY).answer(Form::Plain),
        }
    }

    fn number(&self, head: &Parts) -> Option<usize> {
        match self.operations.routes.find(head.method.as_str(), head.uri.path()) {
            Found::Operation(number, _) => Some(number),
            Found::Methods(_) | Found::Nothing => None,
        }
    }

    /// The answer as the faults file wants it. An error ends the connection without one.
    async fn spoilt(&self, player: &Player, head: &Parts, read: &Read, outbox: &Arc<Outbox>) -> Result<Answer, Unread> {
        let body = match read {
            Read::Whole(body) => &body[..],
            Read::TooLarge => &[],
        };
        let Some(spoiler) = player.spoiler(self.number(head), body) else {
            return Ok(self.rationed(player, head, read));
        };
        if let Some(answer) = spoiler.instead() {
            return Ok(answer);
        }
        let answer = self.rationed(player, head, read);
        if spoiler.resets() {
            outbox.reset();
            return Err(Unread);
        }
        match spoiler.wait() {
            Duration::ZERO => {}
            Duration::MAX => std::future::pending().await,
            wait => tokio::time::sleep(wait).await,
        }
        Ok(spoiler.spoil(answer, outbox))
    }

    /// The operation's answer, as far as the key has not spent what it may.
    fn rationed(&self, player: &Player, head: &Parts, read: &Read) -> Answer {
        let Some(quota) = player.quota() else { return self.usual(head, read) };
        let key = ["authorization", "x-api-key"].into_iter().find_map(|name| head.headers.get(name));
        let key = key.map(HeaderValue::as_bytes).unwrap_or_default();
        let now = self.options.clock.now();
        if let Err(what) = quota.request(key, now) {
            return faults::spent(what);
        }
        let answer = self.usual(head, read);
        quota.spend(key, now, answer.tokens.unwrap_or_default());
        answer
    }

    async fn note(&self, n: u64, head: &Parts, read: &Read) -> std::io::Result<Option<Ticket>> {
        let Some(ledger) = &self.ledger else { return Ok(None) };
        let body_sha256 = match read {
            Read::Whole(body) => Some(hex(&Sha256::digest(body))),
            Read::TooLarge => None,
        };
        let request_id = head.headers.get(&self.options.request_id_header).and_then(|value| value.to_str().ok());
        let (method, path, query) = (head.method.as_str(), head.uri.path(), head.uri.query());
        ledger.request(&Seen { n, method, path, query, body_sha256, request_id }).await.map(Some)
    }

    fn answer(&self, head: &Parts, body: &Bytes) -> Answer {
        let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
        let (number, slots) = match self.operations.routes.find(head.method.as_str(), path) {
            Found::Operation(number, slots) => (number, slots),
            Found::Methods(allowed) => return Refusal::Method(allowed).answer(Form::Plain),
            Found::Nothing => {
                let signed =
                    (head.method == hyper::Method::GET).then(|| self.world.files.signed(path, query)).flatten();
                return signed.unwrap_or_else(|| Refusal::UnknownPath.answer(Form::Plain));
            }
        };
        let operation = self.operations.get(number);
        let asked = Asked { slots: &slots, path, query, headers: &head.headers, body, base: &self.base };
        let key = self.options.key.as_deref();
        judge::authorize(operation.entry.credential, &head.headers, key)
            .and_then(|()| judge::judge(self.operations.catalogue, operation, asked))
            .and_then(|request| self.handle(operation, &request, path, query))
            .unwrap_or_else(|refusal| refusal.answer(operation.form))
    }

    fn handle(&self, operation: &Operation, request: &Judged<'_>, path: &str, query: &str) -> Result<Answer, Refusal> {
        let World { models, files, .. } = &self.world;
        match operation.handler {
            Handler::Completion => completion::answer(request.payload(), &self.world.caches),
            Handler::Embeddings => embeddings::answer(request.payload()),
            Handler::Ocr => ocr::answer(files, request),
            Handler::Moderation => Ok(classifier::moderate(request.payload())),
            Handler::Classification => Ok(classifier::classify(request.payload())),
            Handler::Transcription => audio::transcription(files, request),
            Handler::Speech => Ok(audio::speech(request.payload())),
            Handler::Conversation => conversations::answer(&self.world.objects, request, self.options.clock.now()),
            Handler::ListModels => Ok(models.list(request)),
            Handler::RetrieveModel => models.retrieve(request),
            Handler::DeleteModel => models.delete(request),
            Handler::UpdateModel => models.update(request),
            Handler::ArchiveModel => models.archive(request, true),
            Handler::UnarchiveModel => models.archive(request, false),
            Handler::UploadFile => files.upload(request),
            Handler::ListFiles => Ok(files.list(request)),
            Handler::RetrieveFile => files.retrieve(request),
            Handler::DeleteFile => files.delete(request),
            Handler::FileContent => files.content(request),
            Handler::FileUrl => files.url(request),
            Handler::Example => {
                if let Some(answer) = self.of_objects(operation, request) {
                    return answer;
                }
                let number = stand_in::number(operation, path, query, request);
                Ok(stand_in::answer(self.operations.catalogue, operation, request, path, number))
            }
        }
    }
}

impl Server {
    /// The answer to one request of a batch job: the one that its own call would get.
    fn call(&self, job: &Judged<'_>, body: &serde_json::Value) -> Answer {
        let endpoint = job.payload()["endpoint"].as_str().unwrap_or_default();
        let Found::Operation(number, _) = self.operations.routes.find("POST", endpoint) else {
            return Refusal::UnknownPath.answer(Form::Plain);
        };
        let operation = self.operations.get(number);
        let rule = operation.body_rule(self.operations.catalogue);
        let problems = rule.map(|rule| mistakes::find(rule, body, &["body"])).unwrap_or_default();
        if !problems.is_empty() {
            return Refusal::Invalid(problems).answer(operation.form);
        }
        let request = Judged::of_body(body.clone(), job.base());
        let answer = self.handle(operation, &request, endpoint, "");
        answer.unwrap_or_else(|refusal| refusal.answer(operation.form))
    }

    /// The answer of an operation about objects or about a list; `None` where it is about something else.
    fn of_objects(&self, operation: &Operation, request: &Judged<'_>) -> Option<Result<Answer, Refusal>> {
        let (catalogue, objects) = (self.operations.catalogue, &self.world.objects);
        let asking = Asking { catalogue, operation, objects, now: self.options.clock.now() };
        let entry = operation.entry;
        if entry.stream != Stream::None {
            return None;
        }
        if entry.path == "/v1/batch/jobs" && entry.method == Method::Post {
            let job = batch::run(request.payload(), &self.world.files, |body| self.call(request, body));
            return Some(job.and_then(|job| objects::create_batch(asking, request, job)));
        }
        if let Some(answer) = members::answer(asking, request) {
            return Some(answer);
        }
        match &operation.part {
            Some(part) => {
                // Only batch jobs have such a parameter.
                let inline = request.query("inline") == Some(&true.into());
                let answer = objects::answer(asking, part, request);
                Some(if inline { answer.map(|job| batch::with_outputs(job, &self.world.files)) } else { answer })
            }
            None if entry.paging.is_some() => Some(Ok(objects::list_of_nothing_made(asking, request, usize::MAX))),
            None => None,
        }
    }
}

async fn read(mut body: Incoming) -> Result<Read, Unread> {
    let mut whole = BytesMut::new();
    let mut size = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Unread)?.into_data() else { continue };
        // Most bodies come in one piece and are not copied.
        if size == 0 && body.is_end_stream() && data.len() <= MAX_BODY {
            return Ok(Read::Whole(data));
        }
        size += data.len();
        if size <= MAX_BODY {
            whole.extend_from_slice(&data);
        } else if size > MAX_WASTE {
            break;
        } else {
            whole.clear();
        }
    }
    Ok(if size > MAX_BODY { Read::TooLarge } else { Read::Whole(whole.freeze()) })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(|half| char::from_digit(half.into(), 16)).collect()
}
