//! Files that come as answers are kept beside the store; payloads name them.

use super::dispatch::Shared;
use bytes::Bytes;
use model::http::FileAnswer;
use model::{Evidence, HttpAnswer, Millis, Reading};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use store::StoreError;
use store::blobs::Blobs;

/// Where the answer is a file: keeps it, and puts what stands for it in its place.
pub(super) async fn keep_file(shared: &Shared, answer: &HttpAnswer, reading: &mut Reading) {
    let Some(file) = reading.file.take() else { return };
    let (blobs, body, now) = (shared.parts.store.blob_folder().clone(), answer.body.clone(), shared.now());
    let kept = tokio::task::spawn_blocking(move || keep(&blobs, &body, &file, now)).await;
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

fn keep(blobs: &Blobs, body: &Bytes, file: &FileAnswer, now: Millis) -> Result<Value, StoreError> {
    let (id, size) = blobs.create(now, &mut body.as_ref())?;
    let sha256: String = Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
    let mut value = json!({ "$blob": id.as_str(), "size": size, "media_type": file.media_type, "sha256": sha256 });
    if let Some(name) = &file.filename {
        value["filename"] = name.as_str().into();
    }
    Ok(value)
}
