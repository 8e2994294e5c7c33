//! What is not served yet, and why.

use super::catalogue::{BodyKind, Entry, Stream};
use model::{Problem, Request};
use serde_json::Value;

/// The code of all problems of this module.
pub const CODE: &str = "operation_not_served";

/// Why an operation cannot be called at all; `None` where it can.
#[must_use]
pub fn refusal(entry: &Entry) -> Option<Problem> {
    if entry.body.as_ref().is_some_and(|body| body.kind == BodyKind::Multipart) {
        return Some(multipart());
    }
    if entry.stream == Stream::Always {
        return Some(Problem::new(CODE, "it answers with a stream of events, which is not served yet"));
    }
    let types = || entry.answers.iter().filter_map(|answer| answer.media_type.as_deref());
    let binary = types().next().is_some() && !types().any(is_json);
    binary.then(|| Problem::new(CODE, "it answers with a file, which is not served yet"))
}

/// Why a request to an operation that is served otherwise cannot be sent; `None` where it can.
#[must_use]
pub fn request_refusal(entry: &Entry, request: &Request) -> Option<Problem> {
    let wants_stream = request.payload.as_ref().and_then(|payload| payload.get("stream")) == Some(&Value::Bool(true));
    (wants_stream && entry.stream != Stream::None).then(|| {
        let reason = "an answer as a stream of events is not served yet";
        Problem::new(CODE, reason).at("/payload/stream").hint("leave stream out: the whole answer comes at once")
    })
}

pub(super) fn multipart() -> Problem {
    Problem::new(CODE, "it takes a file (multipart/form-data), which is not served yet")
}

/// Whether a media type is JSON, parameters aside.
pub(super) fn is_json(media_type: &str) -> bool {
    let plain = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    plain == "application/json" || plain.ends_with("+json")
}
