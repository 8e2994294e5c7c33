//! Files: uploaded, listed, read back, deleted. Their bytes are kept in memory.

use crate::answer::Answer;
use crate::fingerprint;
use crate::judge::Judged;
use crate::refusal::{Fault, Refusal};
use crate::state::lock;
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Most files that are kept at one time.
const MAX_FILES: usize = 10_000;

/// Most bytes that are kept at one time.
const MAX_BYTES: usize = 256 << 20;

#[derive(Debug, Serialize)]
struct File {
    id: String,
    object: &'static str,
    bytes: usize,
    created_at: u64,
    filename: String,
    purpose: String,
    sample_type: &'static str,
    num_lines: Option<usize>,
    mimetype: Option<String>,
    source: &'static str,
    signature: Option<String>,
    expires_at: Option<u64>,
    visibility: String,
    #[serde(skip)]
    content: Bytes,
}

/// The files of a workspace.
#[derive(Debug)]
pub(crate) struct Files {
    /// When the first is made, in Unix seconds; each of the following a second later.
    since: u64,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// By number of upload, which no other file ever had.
    files: BTreeMap<u64, File>,
    uploads: u64,
    bytes: usize,
}

impl Files {
    pub(crate) fn new(since: u64) -> Self {
        Self { since, kept: Mutex::default() }
    }

    pub(crate) fn upload(&self, request: &Judged<'_>) -> Result<Answer, Refusal> {
        let Some(part) = request.file("file") else {
            return Err(Refusal::Invalid(vec![Fault::new("missing", &["body", "file"], "a file is required")]));
        };
        let mut kept = lock(&self.kept);
        if kept.files.len() == MAX_FILES || kept.bytes + part.content.len() > MAX_BYTES {
            let reason = format!("the storage is full: at most {MAX_FILES} files and {MAX_BYTES} bytes are kept");
            return Err(Refusal::Forbidden(reason));
        }
        let filename = part.filename.clone().unwrap_or_default();
        let purpose = request.payload()["purpose"].as_str().unwrap_or("fine-tune").to_owned();
        let lines = part.content.iter().filter(|byte| **byte == b'\n').count();
        let number = kept.uploads;
        let created_at = self.since + number;
        let file = File {
            id: fingerprint::uuid(FILES ^ number),
            object: "file",
            bytes: part.content.len(),
            created_at,
            sample_type: if purpose == "batch" { "batch_request" } else { "instruct" },
            num_lines: filename.ends_with(".jsonl").then_some(lines),
            filename,
            purpose,
            mimetype: part.media_type.clone(),
            source: "upload",
            signature: Some(format!("{:016x}", fingerprint::bytes_of(&part.content))),
            expires_at: request.payload()["expiry"].as_u64().map(|expiry| created_at.saturating_add(expiry)),
            visibility: request.payload()["visibility"].as_str().unwrap_or("workspace").to_owned(),
            // A copy of its own, so that the rest of the body is not kept with it.
            content: Bytes::copy_from_slice(&part.content),
        };
        let answer = Answer::json(200, &file);
        kept.uploads += 1;
        kept.bytes += file.bytes;
        kept.files.insert(number, file);
        Ok(answer)
    }

    /// Keeps a file that the simulator makes, and says its id.
    pub(crate) fn keep(&self, sample_type: &'static str, content: Bytes) -> Result<String, Refusal> {
        let mut kept = lock(&self.kept);
        if kept.files.len() == MAX_FILES || kept.bytes + content.len() > MAX_BYTES {
            return Err(Refusal::Forbidden("the storage is full: the results cannot be kept".to_owned()));
        }
        let number = kept.uploads;
        let id = fingerprint::uuid(FILES ^ number);
        let file = File {
            id: id.clone(),
            object: "file",
            bytes: content.len(),
            created_at: self.since + number,
            filename: format!("{sample_type}.jsonl"),
            purpose: "batch".to_owned(),
            sample_type,
            num_lines: Some(content.iter().filter(|byte| **byte == b'\n').count()),
            mimetype: Some("application/jsonl".to_owned()),
            source: "mistral",
            signature: Some(format!("{:016x}", fingerprint::bytes_of(&content))),
            expires_at: None,
            visibility: "workspace".to_owned(),
            content,
        };
        kept.uploads += 1;
        kept.bytes += file.bytes;
        kept.files.insert(number, file);
        Ok(id)
    }

    /// The content of a file.
    pub(crate) fn bytes(&self, id: &str) -> Result<Bytes, Refusal> {
        let kept = lock(&self.kept);
        kept.files.values().find(|file| file.id == id).map(|file| file.content.clone()).ok_or_else(|| missing(id))
    }

    /// A page of the list, newest first, with its filters.
    pub(crate) fn list(&self, request: &Judged<'_>) -> Answer {
        let kept = lock(&self.kept);
        let one_of = |name: &str, value: &str| match request.query(name) {
            Some(Value::Array(wanted)) => wanted.iter().any(|wanted| wanted == value),
            Some(Value::String(wanted)) => wanted == value,
            _ => true,
        };
        let wanted = |file: &&File| {
            one_of("purpose", &file.purpose)
                && one_of("sample_type", file.sample_type)
                && one_of("source", file.source)
                && one_of("mimetypes", file.mimetype.as_deref().unwrap_or_default())
                && request.query("search").and_then(Value::as_str).is_none_or(|text| file.filename.contains(text))
        };
        let files: Vec<&File> = kept.files.values().rev().filter(wanted).collect();
        let number = |name: &str, default: usize| {
            let asked = request.query(name).and_then(Value::as_u64);
            asked.map_or(default, |asked| usize::try_from(asked).unwrap_or(usize::MAX))
        };
        let size = number("page_size", 100);
        let page: Vec<&&File> = files.iter().skip(number("page", 0).saturating_mul(size)).take(size).collect();
        let total = (request.query("include_total") != Some(&Value::Bool(false))).then_some(files.len());
        Answer::json(200, &json!({"data": page, "object": "list", "total": total}))
    }

    pub(crate) fn retrieve(&self, request: &Judged<'_>) -> Result<Answer, Refusal> {
        #[derive(Serialize)]
        struct Shown<'a> {
            #[serde(flatten)]
            file: &'a File,
            deleted: bool,
        }
        self.with(request, |file| Answer::json(200, &Shown { file, deleted: false }))
    }

    pub(crate) fn content(&self, request: &Judged<'_>) -> Result<Answer, Refusal> {
        self.with(request, |file| Answer::new(200, "application/octet-stream", file.content.clone()))
    }

    /// An address that shows the content without a key, like a signed one of the service.
    pub(crate) fn url(&self, request: &Judged<'_>) -> Result<Answer, Refusal> {
        self.with(request, |file| {
            let signature = file.signature.as_deref().unwrap_or_default();
            Answer::json(200, &json!({"url": format!("{}{SIGNED}{}?signature={signature}", request.base(), file.id)}))
        })
    }

    /// What a signed address shows; `None` where the address or its signature is not one of ours.
    pub(crate) fn signed(&self, path: &str, query: &str) -> Option<Answer> {
        let id = path.strip_prefix(SIGNED)?;
        let kept = lock(&self.kept);
        let file = kept.files.values().find(|file| file.id == id)?;
        let signature = query.strip_prefix("signature=")?;
        (file.signature.as_deref() == Some(signature))
            .then(|| Answer::new(200, "application/octet-stream", file.content.clone()))
    }

    pub(crate) fn delete(&self, request: &Judged<'_>) -> Result<Answer, Refusal> {
        let id = request.slot("file_id");
        let mut kept = lock(&self.kept);
        let number = kept.files.iter().find(|(_, file)| file.id == id).map(|(number, _)| *number);
        let file = number.and_then(|number| kept.files.remove(&number)).ok_or_else(|| missing(id))?;
        kept.bytes -= file.bytes;
        Ok(Answer::json(200, &json!({"id": file.id, "object": "file", "deleted": true})))
    }

    fn with(&self, request: &Judged<'_>, show: impl FnOnce(&File) -> Answer) -> Result<Answer, Refusal> {
        let id = request.slot("file_id");
        let kept = lock(&self.kept);
        kept.files.values().find(|file| file.id == id).map(show).ok_or_else(|| missing(id))
    }
}

/// Where signed addresses begin.
const SIGNED: &str = "/signed/files/";

/// Keeps the ids of files apart from others that are made of small numbers.
const FILES: u64 = 0xf11e_0000_0000_0000;

fn missing(id: &str) -> Refusal {
    Refusal::Missing { what: "the file", id: id.to_owned() }
}
