//! One operation: from request to HTTP call, from answer to what it says.

use super::chunks::text_of;
use super::stream::{End, Folded, fold, live};
use super::{mistakes, prices::Prices, refusal, usage};
use crate::openapi::catalogue::{Catalogue, Entry, Method, Stream};
use crate::openapi::preflight::{Checks, join};
use crate::openapi::{answer, build, find, form, paging};
use model::http::{FileAnswer, Likeness, Preflight, Progress, Until};
use model::{Credential, Effect, Evidence, HttpAnswer, Millis, Operation, Prepared, Problem, Reading, Request, Usage};
use serde_json::Value;
use std::sync::{Arc, OnceLock};

/// How much of a live stream one page takes, unless the subscriber says otherwise.
const PAGE: Until = Until { events: 1_000, quiet: 5_000 };

/// An operation of the catalogue. Its schemas are compiled when they are first needed, once.
#[derive(Debug)]
pub(super) struct EntryOperation {
    catalogue: &'static Catalogue,
    entry: &'static Entry,
    prices: Arc<Prices>,
    checks: OnceLock<Result<Checks, Problem>>,
    files: OnceLock<Vec<String>>,
    poll: OnceLock<Option<Arc<Self>>>,
    find: OnceLock<Option<Arc<Self>>>,
}

impl EntryOperation {
    pub(super) fn new(catalogue: &'static Catalogue, entry: &'static Entry, prices: Arc<Prices>) -> Self {
        Self {
            catalogue,
            entry,
            prices,
            checks: OnceLock::new(),
            files: OnceLock::new(),
            poll: OnceLock::new(),
            find: OnceLock::new(),
        }
    }

    /// What is wrong with a request that data will still be laid over.
    pub(super) fn literals(&self, request: &Request) -> Vec<Problem> {
        match self.checks() {
            Ok(checks) => checks.literals(self.entry, request),
            Err(problem) => vec![problem.clone()],
        }
    }

    fn checks(&self) -> Result<&Checks, &Problem> {
        self.checks.get_or_init(|| Checks::compile(self.catalogue, self.entry)).as_ref()
    }

    /// Fields of the form that are files.
    fn files(&self) -> &[String] {
        self.files.get_or_init(|| form::file_fields(self.catalogue, self.entry))
    }

    fn preflight(&self, request: &Request, preflight: Preflight) -> Vec<Problem> {
        if preflight == Preflight::Off {
            return Vec::new();
        }
        let mut problems = match self.checks() {
            Ok(checks) => checks.problems(request, preflight),
            Err(problem) => return vec![problem.clone()],
        };
        mistakes::explain(&mut problems);
        let order = mistakes::order(self.entry, request);
        problems.extend(order.map(|problem| if preflight == Preflight::Warn { problem.warning() } else { problem }));
        problems
    }

    fn is_stream(&self, answer: &HttpAnswer) -> bool {
        let media_type = answer.header("content-type").unwrap_or_default();
        self.entry.stream != Stream::None
            && media_type.trim_start().to_ascii_lowercase().starts_with("text/event-stream")
    }

    /// Folds a stream into the answer that it is. Only its own mark makes it whole.
    fn read_stream(&self, answer: &HttpAnswer) -> Reading {
        let reading = |evidence, answer, problem| Reading {
            evidence,
            answer,
            folded: true,
            file: None,
            problem,
            permanent: false,
        };
        if self.entry.stream == Stream::Always {
            let (items, error) = live(&answer.body);
            // What came before the error is taken in; the next run meets the error at once if it is still there.
            let problem = error.filter(|_| items.is_empty()).map(|error| refusal::in_stream(answer, &error));
            let evidence = if problem.is_some() { Evidence::ErrorAnswer } else { Evidence::Answered };
            return reading(evidence, Value::Array(items), problem);
        }
        let Folded { answer: value, end } = fold(&answer.body);
        if answer.truncated {
            let problem = answer::json(answer).err().map(|(_, problem)| problem);
            return reading(Evidence::Answered, marked(value), problem);
        }
        match end {
            End::Done => reading(Evidence::Answered, value, None),
            // Nothing came before it: an error answer like any other. Else it was paid for, and is not repeated.
            End::Error(error) if value.is_null() => {
                let problem = refusal::in_stream(answer, &error);
                reading(Evidence::ErrorAnswer, error, Some(problem))
            }
            End::Error(error) => reading(Evidence::Answered, marked(value), Some(refusal::in_stream(answer, &error))),
            End::Cut { finished } => {
                let also = if finished { ", although it had its finish reason" } else { "" };
                let reason = format!("the stream ended without its end mark{also}");
                reading(Evidence::Unknown, marked(value), Some(Problem::new("stream_cut", reason)))
            }
        }
    }

    /// A file was kept as it came; a web page in its place is none, and stays to be looked at.
    fn read_file(&self, answer: &HttpAnswer) -> Reading {
        let media_type = answer.header("content-type").unwrap_or("application/octet-stream");
        let filename = answer.header("content-disposition").and_then(answer::filename);
        let mut file = Some(FileAnswer { media_type: media_type.to_owned(), filename });
        let mut problem = None;
        if answer.truncated && !answer.body.is_empty() {
            problem = answer::json(answer).err().map(|(_, problem)| problem);
            file = None;
        } else if answer.truncated {
            let reason = "the file is larger than the HTTP client allows; nothing of it is kept";
            problem = Some(Problem::new("answer_too_large", reason).hint("raise max_file_bytes of the HTTP client"));
            file = None;
        } else if media_type.to_ascii_lowercase().starts_with("text/html") {
            problem = Some(Problem::new("bad_answer", "the answer is a web page, not a file"));
        }
        let evidence = Evidence::Answered;
        Reading { evidence, answer: Value::Null, folded: false, file, problem, permanent: false }
    }

    fn success(&self, answer: &HttpAnswer) -> (Value, Option<Problem>) {
        match answer::json(answer) {
            // `null` and white space say no more than nothing does.
            Ok(value) if value.is_null() && !answer::may_be_empty(self.entry, answer.status) => {
                (value, Some(Problem::new("bad_answer", "the answer is empty, the operation answers with JSON")))
            }
            Ok(value) => (value, None),
            Err((text, problem)) => (text, Some(problem)),
        }
    }
}

/// The header by which a live stream goes on.
const LAST_EVENT_ID: &str = "Last-Event-ID";

/// Marks an answer of which only a part came.
fn marked(mut answer: Value) -> Value {
    if let Value::Object(members) = &mut answer {
        members.insert("$partial".to_owned(), Value::Bool(true));
    }
    answer
}

impl Operation for EntryOperation {
    fn title(&self) -> &str {
        &self.entry.title
    }

    fn signature(&self) -> String {
        format!("{} {}", self.entry.method.as_str(), self.entry.path)
    }

    /// As the catalogue says; but an execution of a workflow can only be found again by an id that we gave it.
    fn effect(&self, request: &Request) -> Effect {
        let named = || request.payload.as_ref().and_then(|payload| payload.get("execution_id")?.as_str());
        if self.entry.effect == Effect::Findable
            && self.entry.path.ends_with("/execute")
            && named().is_none_or(str::is_empty)
        {
            return Effect::Create;
        }
        self.entry.effect
    }

    fn credential(&self) -> Credential {
        self.entry.credential
    }

    fn prepare(&self, request: &Request, preflight: Preflight) -> Result<Prepared, Vec<Problem>> {
        let named = |name: &&String| request.payload.as_ref().is_some_and(|payload| payload[name.as_str()].is_string());
        let named: Vec<Problem> = self.files().iter().filter(named).map(|name| form::no_file(name)).collect();
        if !named.is_empty() {
            return Err(named);
        }
        let noticed = self.preflight(request, preflight);
        match build::build(self.entry, request) {
            Ok(mut http) if !noticed.iter().any(Problem::is_error) => {
                http.until = (self.entry.stream == Stream::Always).then_some(PAGE);
                Ok(Prepared { http, warnings: noticed })
            }
            Ok(_) => Err(noticed),
            Err(mut problems) => {
                join(&mut problems, noticed.into_iter());
                Err(problems)
            }
        }
    }

    fn read(&self, answer: &HttpAnswer) -> Reading {
        let evidence = answer::evidence(answer);
        if evidence == Evidence::Answered && self.is_stream(answer) {
            return self.read_stream(answer);
        }
        if evidence == Evidence::Answered && answer::is_file(self.entry) {
            return self.read_file(answer);
        }
        if evidence == Evidence::Answered {
            let (value, problem) = self.success(answer);
            return Reading { evidence, answer: value, folded: false, file: None, problem, permanent: false };
        }
        let value = answer::json(answer).unwrap_or_else(|(text, _)| text);
        let problem = refusal::problem(self.entry, answer, &value);
        Reading {
            evidence,
            answer: value,
            folded: false,
            file: None,
            problem: Some(problem),
            permanent: refusal::is_permanent(answer),
        }
    }

    fn usage(&self, request: &Request, answer: &Value, base_uri: &str) -> Option<Usage> {
        usage::usage(&self.prices, self.entry, request, answer, base_uri)
    }

    fn foreseen(&self, request: &Request, base_uri: &str) -> Option<Usage> {
        usage::foreseen(&self.prices, self.entry, request, base_uri)
    }

    fn read_part(&self, part: &HttpAnswer) -> Value {
        if self.is_stream(part) {
            return marked(fold(&part.body).answer);
        }
        Value::String(String::from_utf8_lossy(&part.body).into_owned())
    }

    fn heard(&self, event: &Value) -> Option<String> {
        text_of(event)
    }

    fn is_whole(&self, part: &HttpAnswer) -> bool {
        let is_ended = || !matches!(fold(&part.body).end, End::Cut { .. });
        let folds = self.entry.stream != Stream::Always && self.is_stream(part);
        folds && answer::evidence(part) == Evidence::Answered && is_ended()
    }

    fn items(&self, answer: &Value) -> Option<Vec<Value>> {
        if self.entry.stream == Stream::Always {
            return answer.as_array().cloned();
        }
        paging::items(self.entry, answer)
    }

    fn next_page(&self, request: &Request, answer: &Value, page: u32) -> Option<Request> {
        paging::next_page(self.entry, request, answer, page)
    }

    fn poll(&self) -> Option<Arc<dyn Operation>> {
        let wait = self.entry.wait.as_ref()?;
        let poll = self.poll.get_or_init(|| {
            let entry = self.catalogue.by_signature(Method::Get, &wait.poll)?;
            Some(Arc::new(Self::new(self.catalogue, entry, self.prices.clone())))
        });
        poll.clone().map(|poll| poll as Arc<dyn Operation>)
    }

    fn poll_request(&self, started: &Request, answer: &Value) -> Option<Request> {
        let wait = self.entry.wait.as_ref()?;
        let slots = wait.poll.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let filled = slots.map(|slot| {
            let value = match wait.slots.get(slot) {
                Some(pointer) => answer.pointer(pointer),
                None => started.path.get(slot),
            };
            Some((slot.to_owned(), value.filter(|value| value.is_string() || value.is_number())?.clone()))
        });
        Some(Request { path: filled.collect::<Option<_>>()?, ..Request::default() })
    }

    fn progress(&self, answer: &Value) -> Progress {
        let Some(wait) = &self.entry.wait else { return Progress::Done };
        match answer.pointer(&wait.status).and_then(Value::as_str) {
            Some(word) if wait.done.iter().any(|done| done == word) => Progress::Done,
            Some(word) if wait.failed.iter().any(|failed| failed == word) => Progress::Failed(word.to_owned()),
            word => Progress::Running(word.map(str::to_owned)),
        }
    }

    fn find(&self) -> Option<Arc<dyn Operation>> {
        let find = self.entry.find.as_ref()?;
        let asked = self.find.get_or_init(|| {
            let entry = self.catalogue.by_signature(Method::Get, &find.ask)?;
            Some(Arc::new(Self::new(self.catalogue, entry, self.prices.clone())))
        });
        asked.clone().map(|asked| asked as Arc<dyn Operation>)
    }

    fn find_request(&self, lost: &Request) -> Option<Request> {
        find::request(self.entry.find.as_ref()?, lost)
    }

    fn mark(&self, request: &mut Request, text: &str) {
        if let Some(find) = &self.entry.find {
            find::mark(find, request, text);
        }
    }

    fn likeness(&self, lost: &Request, item: &Value, answer: &HttpAnswer, times: (Millis, Millis)) -> Likeness {
        let find = self.entry.find.as_ref();
        find.map_or(Likeness::Unsure, |find| find::likeness(find, lost, item, answer, times))
    }

    fn sized(&self, request: Request, size: u32) -> Option<Request> {
        if self.entry.stream == Stream::Always {
            return Some(request);
        }
        paging::sized(self.entry, request, size)
    }

    fn cursor(&self, item: &Value) -> Option<Value> {
        let live = self.entry.stream == Stream::Always;
        item.get("id").filter(|id| live && !id.is_null()).cloned()
    }

    /// The last id seen goes back in the header that the standard has for it.
    fn resume(&self, mut request: Request, cursor: &Value) -> Request {
        let header = |name: &str| name.eq_ignore_ascii_case(LAST_EVENT_ID);
        let declared = self.entry.parameters.iter().any(|parameter| header(&parameter.name));
        if declared && !request.header.keys().any(|name| header(name)) {
            request.header.insert(LAST_EVENT_ID.to_owned(), cursor.clone());
        }
        request
    }
}
