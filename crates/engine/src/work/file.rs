//! Files that come as answers are kept beside the store; payloads name them.

use super::dispatch::Shared;
use super::keep::keep;
use bytes::Bytes;
use model::driver::Kept;
use model::http::FileAnswer;
use model::{Evidence, HttpAnswer, Millis, Problem, Reading};
use serde_json::{Value, json};
use store::StoreError;
use store::blobs::Blobs;

/// Where the answer is a file: keeps it, and puts what stands for it in its place.
pub(super) async fn keep_file(shared: &Shared, answer: &HttpAnswer, reading: &mut Reading) {
    let Some(file) = reading.file.take() else { return };
    let (blobs, body, now) = (shared.parts.store.blob_folder().clone(), answer.body.clone(), shared.now());
    let kept = tokio::task::spawn_blocking(move || stand_in(&blobs, &body, &file, now)).await;
    match kept.unwrap_or(Err(StoreError::Closed)) {
        Ok(value) => {
            reading.answer = value;
            reading.folded = true;
        }
        Err(error) => {
            // What came cannot be kept, so nothing more is sent; whether to ask again is for a person to say.
            reading.evidence = Evidence::Unknown;
            reading.problem = Some(error.problem());
            shared.signals.fail(error);
        }
    }
}

/// Where the answer is a file of JSON lines: reads it into a list.
pub(super) fn read_lines(answer: &HttpAnswer, reading: &mut Reading) {
    if reading.file.take().is_none() {
        return;
    }
    reading.folded = true;
    let body = answer.body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&answer.body);
    let lines = body.split(|byte| *byte == b'\n').enumerate();
    let lines = lines.filter(|(_, line)| !line.iter().all(u8::is_ascii_whitespace));
    let read: Result<Vec<Value>, Problem> = lines
        .map(|(index, line)| {
            let wrong = |error| Problem::new("bad_answer", format!("line {} is no JSON: {error}", index + 1));
            serde_json::from_slice(line).map_err(wrong)
        })
        .collect();
    match read {
        Ok(lines) => reading.answer = Value::Array(lines),
        Err(problem) => {
            reading.answer = Value::String(String::from_utf8_lossy(body).into_owned());
            reading.problem = Some(problem.hint("leave answer_as out to keep the answer as a file"));
        }
    }
}

fn stand_in(blobs: &Blobs, body: &Bytes, file: &FileAnswer, now: Millis) -> Result<Value, StoreError> {
    let Kept { id, size, sha256 } = keep(blobs, now, &mut body.as_ref())?;
    let mut value = json!({ "$blob": id, "size": size, "media_type": file.media_type, "sha256": sha256 });
    if let Some(name) = &file.filename {
        value["filename"] = name.as_str().into();
    }
    Ok(value)
}
