//! What is not served yet, and why.

use super::catalogue::{BodyKind, Entry};
use model::Problem;

/// The code of all problems of this module.
pub const CODE: &str = "operation_not_served";

/// Why an operation cannot be called at all; `None` where it can.
#[must_use]
pub fn refusal(entry: &Entry) -> Option<Problem> {
    if entry.body.as_ref().is_some_and(|body| body.kind == BodyKind::Multipart) {
        return Some(multipart());
    }
    let types = || entry.answers.iter().filter_map(|answer| answer.media_type.as_deref());
    let binary =
        types().next().is_some() && !types().any(|media_type| is_json(media_type) || media_type == "text/event-stream");
    binary.then(|| Problem::new(CODE, "it answers with a file, which is not served yet"))
}

pub(super) fn multipart() -> Problem {
    Problem::new(CODE, "it takes a file (multipart/form-data), which is not served yet")
}

/// Whether a media type is JSON, parameters aside.
pub(super) fn is_json(media_type: &str) -> bool {
    let plain = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    plain == "application/json" || plain.ends_with("+json")
}
