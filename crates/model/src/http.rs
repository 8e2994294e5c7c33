//! HTTP-shaped connectors: they build requests and read answers, and touch no socket.

use crate::driver::Kept;
use crate::form::Form;
use crate::{Component, Credential, Effect, Evidence, Millis, Problem, Request, Side, Usage};
use bytes::Bytes;
use serde_json::Value;
use std::sync::Arc;

/// A connector to one remote API.
pub trait Connector: Component {
    /// Sides that it can serve with these options (`method`, `entity`, …).
    ///
    /// # Errors
    /// Unknown entity, method not offered on this side, …; places are relative to the options.
    fn operation(&self, side: Side, options: &Value) -> Result<Arc<dyn Operation>, Vec<Problem>>;

    /// The operation that lists the models that may be used; `None` where the system has none.
    fn models(&self) -> Option<Arc<dyn Operation>> {
        None
    }

    /// What the answer of that operation says of each model.
    fn model_cards(&self, answer: &Value) -> Vec<ModelCard> {
        let _ = answer;
        Vec::new()
    }
}

/// What a system says of one of its models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelCard {
    /// Its id.
    pub id: String,
    /// Other ids of it.
    pub aliases: Vec<String>,
    /// When it was made.
    pub created_at: Option<Millis>,
    /// The date and time at which it goes, as the system writes it; `None`: none is known.
    pub retires: Option<String>,
    /// The model that the system names for it.
    pub replacement: Option<String>,
    /// What it can do, in the system's words.
    pub capabilities: Vec<String>,
}

/// How much preflight refuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Preflight {
    /// Missing and wrongly typed values are refused, unknown fields are warnings.
    #[default]
    Refuse,
    /// Everything is a warning.
    Warn,
    /// Nothing is looked at but what cannot be sent at all.
    Off,
}

/// One operation of a connector, chosen by a definition's options.
pub trait Operation: Send + Sync {
    /// Its name for people: "Chat Completion".
    fn title(&self) -> &str;

    /// HTTP method and path template, for messages: `POST /v1/chat/completions`.
    fn signature(&self) -> String;

    /// What a repeat does.
    fn effect(&self, request: &Request) -> Effect;

    /// The kind of credential it asks for.
    fn credential(&self) -> Credential;

    /// Checks a request and builds the HTTP call, all before a byte is sent.
    ///
    /// # Errors
    /// What preflight refuses, with places as JSON pointers into the request (`/path/model_id`,
    /// `/payload/messages/0/role`).
    fn prepare(&self, request: &Request, preflight: Preflight) -> Result<Prepared, Vec<Problem>>;

    /// Reads a complete answer.
    fn read(&self, answer: &HttpAnswer) -> Reading;

    /// What a call will use at most by its request alone, and what that is estimated to cost. Counts that the request
    /// does not bound are left out.
    fn foreseen(&self, request: &Request, base_uri: &str) -> Option<Usage> {
        let _ = (request, base_uri);
        None
    }

    /// What a call used by its answer, and what it is estimated to cost. `base_uri` is where it was sent: some prices
    /// differ by address.
    fn usage(&self, request: &Request, answer: &Value, base_uri: &str) -> Option<Usage> {
        let _ = (request, answer, base_uri);
        None
    }

    /// What an answer that was cut short says as far as it came: the text, where nothing more can be told.
    fn read_part(&self, part: &HttpAnswer) -> Value {
        Value::String(String::from_utf8_lossy(&part.body).into_owned())
    }

    /// The text that one event of a streamed answer adds, for those who read along; `None` where it adds none.
    fn heard(&self, event: &Value) -> Option<String> {
        let _ = event;
        None
    }

    /// Whether an answer whose connection broke came to its own end mark before: then it is whole all the same.
    fn is_whole(&self, part: &HttpAnswer) -> bool {
        let _ = part;
        false
    }

    /// The items of a list answer, in order; `None` where the answer is not a list.
    fn items(&self, answer: &Value) -> Option<Vec<Value>>;

    /// The request of the page after this one; `None` at the end of the list or where there are no pages.
    /// `page` is how many pages were read in this walk before this one, counted from 0.
    fn next_page(&self, request: &Request, answer: &Value, page: u32) -> Option<Request>;

    /// The operation that tells how the work stands which this one starts; `None` where the answer ends it.
    fn poll(&self) -> Option<Arc<dyn Operation>> {
        None
    }

    /// The request of that operation, from the request that started the work and its answer; `None` where the answer
    /// does not say what to ask for.
    fn poll_request(&self, started: &Request, answer: &Value) -> Option<Request> {
        let _ = (started, answer);
        None
    }

    /// How the work stands by an answer: the one that started it, or that of a poll.
    fn progress(&self, answer: &Value) -> Progress {
        let _ = answer;
        Progress::Done
    }

    /// The operation by which a call is looked for whose answer was lost; `None` where nothing tells it from others.
    fn find(&self) -> Option<Arc<dyn Operation>> {
        None
    }

    /// The request of that operation; `None` where the lost one has not what it would be found by.
    fn find_request(&self, lost: &Request) -> Option<Request> {
        let _ = lost;
        None
    }

    /// Marks a request before it is sent, where it can be found by a mark.
    fn mark(&self, request: &mut Request, text: &str) {
        let _ = (request, text);
    }

    /// Whether something found is what the lost call made. `times` is when the call began, and when the answer came in
    /// which this was found, both by our clock.
    fn likeness(&self, lost: &Request, item: &Value, answer: &HttpAnswer, times: (Millis, Millis)) -> Likeness {
        let _ = (lost, item, answer, times);
        Likeness::Unsure
    }

    /// The request that asks for pages of this size; `None` where the operation has no pages.
    fn sized(&self, request: Request, size: u32) -> Option<Request> {
        let _ = (request, size);
        None
    }

    /// Where a later run goes on after this item; `None` where each run begins anew.
    fn cursor(&self, item: &Value) -> Option<Value> {
        let _ = item;
        None
    }

    /// The request that goes on from a cursor.
    fn resume(&self, request: Request, cursor: &Value) -> Request {
        let _ = cursor;
        request
    }
}

/// Whether something found is what a lost call made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// It is.
    Same,
    /// It is something else.
    Other,
    /// It may be.
    Unsure,
}

/// How work stands that goes on after the answer that started it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It goes on; the service's word for its state, where there is one.
    Running(Option<String>),
    /// It is done.
    Done,
    /// It has come to nothing; the service's word for how.
    Failed(String),
}

/// A request that passed preflight.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// What is to be sent.
    pub http: HttpRequest,
    /// What preflight noticed and let pass.
    pub warnings: Vec<Problem>,
}

/// What is to be sent, without base URI and credentials: those belong to the HTTP client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: &'static str,
    /// Path and query as they go on the wire, encoded, beginning with `/`.
    pub target: String,
    /// Header names in lower case, and their values. `content-type` and `accept` are here, credentials are not.
    pub headers: Vec<(&'static str, String)>,
    /// The body; `None` sends none.
    pub body: Option<Bytes>,
    /// A multipart body, in the place of `body`. Its content type is the exchange's, which chooses the boundary.
    pub form: Option<Form>,
    /// When to stop reading an answer that has no end of its own.
    pub until: Option<Until>,
    /// A good answer is a file: it is kept as it comes, and never held whole.
    pub keep: bool,
}

/// When a live stream has been read for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Until {
    /// So many events came.
    pub events: u32,
    /// Nothing came for so long, in milliseconds.
    pub quiet: Millis,
}

/// A complete answer, read under a cap.
#[derive(Clone, Debug)]
pub struct HttpAnswer {
    /// The status code.
    pub status: u16,
    /// Header names in lower case, and their values, in the order they came.
    pub headers: Vec<(String, String)>,
    /// The body, decompressed.
    pub body: Bytes,
    /// Where the body is, if it was kept as a file: `body` is empty then.
    pub kept: Option<Kept>,
    /// Whether the body went on after the cap was reached: then `body` is its beginning.
    pub truncated: bool,
}

impl HttpAnswer {
    /// The first value of a header, asked for in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// What a file that came as an answer is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileAnswer {
    /// Its media type, as the answer says.
    pub media_type: String,
    /// Its name, where the answer gives one.
    pub filename: Option<String>,
}

/// What a complete answer says.
#[derive(Clone, Debug)]
pub struct Reading {
    /// What is known now.
    pub evidence: Evidence,
    /// The answer as JSON: parsed where it is JSON, the text where it is not, `null` where it is empty.
    pub answer: Value,
    /// Whether the answer was put together from the body instead of being it: events folded into one.
    pub folded: bool,
    /// The answer's body is a file, which is kept beside the store; `answer` is null then.
    pub file: Option<FileAnswer>,
    /// Why it is not a success, in the service's own words where it has some.
    pub problem: Option<Problem>,
    /// Whether a repeat can never succeed although the evidence alone would allow one (a rate limit of zero).
    pub permanent: bool,
}
