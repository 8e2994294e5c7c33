//! `cargo xtask requests`: a request of every kind for every operation, as the connector builds it, for a judge that is
//! not ours.

use anyhow::{Context, Result, anyhow, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use connectors::mistral::catalogue::catalogue;
use connectors::mistral::connector;
use connectors::mistral::prices::Prices;
use connectors::openapi::catalogue::{Entry, Stream};
use connectors::openapi::example::{Fill, example_request};
use model::form::{Content, FilePart, FileSource, Form};
use model::http::{HttpRequest, Operation, Preflight};
use model::{Credential, Request, Side};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

/// What stands between the fields of a form here; the exchange chooses one for each request.
const BOUNDARY: &str = "limit-of-the-form";

/// How the kinds of examples are called in the file.
const KINDS: [(&str, Fill); 3] = [("smallest", Fill::Smallest), ("everything", Fill::Everything), ("odd", Fill::Odd)];

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Where to write: a request a line, as JSON
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// So many examples of each kind, which take other branches where a schema has a choice
    #[arg(long, value_name = "N", default_value_t = 4)]
    examples: u64,
}

/// Writes the requests.
pub(crate) fn run(arguments: &Arguments) -> Result<String> {
    let mut lines = String::new();
    let mut count = 0_usize;
    let connector = connector(Prices::shipped());
    for entry in &catalogue().operations {
        let options = json!({"method": entry.method, "entity": entry.title});
        let operation = connector.operation(Side::Publisher, &options).map_err(|problems| anyhow!("{problems:?}"))?;
        for seed in 0..arguments.examples {
            for (kind, fill) in KINDS {
                for request in variants(entry, example_request(entry, catalogue(), seed, fill)) {
                    let line = line(&*operation, kind, seed, &request)
                        .with_context(|| format!("{}, {kind} {seed}", operation.signature()))?;
                    lines.push_str(&line.to_string());
                    lines.push('\n');
                    count += 1;
                }
            }
        }
    }
    fs::write(&arguments.out, lines).with_context(|| format!("cannot write {}", arguments.out.display()))?;
    Ok(format!("{}: {count} requests", arguments.out.display()))
}

/// The request, and the same one with streaming where that is a choice.
fn variants(entry: &Entry, request: Request) -> Vec<Request> {
    let mut streaming = request.clone();
    match streaming.payload.as_mut().and_then(Value::as_object_mut) {
        Some(payload) if entry.stream == Stream::Optional => {
            payload.insert("stream".to_owned(), true.into());
            vec![request, streaming]
        }
        _ => vec![request],
    }
}

/// What is sent, and which example it is.
fn line(operation: &dyn Operation, kind: &str, seed: u64, request: &Request) -> Result<Value> {
    // Examples know no order of messages, which preflight does; warned of it is built all the same.
    let prepared = operation.prepare(request, Preflight::Warn).map_err(|problems| anyhow!("{problems:?}"))?;
    let HttpRequest { method, target, headers, body, form, .. } = prepared.http;
    let mut headers: Vec<(&str, String)> = headers;
    headers.push(match operation.credential() {
        Credential::UserKey => ("x-api-key", "key".to_owned()),
        Credential::ApiKey | Credential::AdminKey => ("authorization", "Bearer key".to_owned()),
    });
    let body = match form {
        Some(form) => {
            headers.push(("content-type", format!("multipart/form-data; boundary={BOUNDARY}")));
            Some(multipart(&form)?)
        }
        None => body.map(|body| body.to_vec()),
    };
    Ok(json!({
        "operation": operation.signature(),
        "kind": kind,
        "seed": seed,
        "stream": request.payload.as_ref().is_some_and(|payload| payload["stream"] == true),
        "method": method,
        "target": target,
        "headers": headers,
        "body": body.map(|body| STANDARD.encode(body)),
    }))
}

fn multipart(form: &Form) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    for field in &form.0 {
        body.extend_from_slice(field.head(BOUNDARY).as_bytes());
        match &field.content {
            Content::Text(text) => body.extend_from_slice(text.as_bytes()),
            Content::File(FilePart { source: FileSource::Bytes(bytes), .. }) => body.extend_from_slice(bytes),
            Content::File(FilePart { filename, .. }) => bail!("an example holds its files itself, {filename} is none"),
        }
        body.extend_from_slice(Form::AFTER.as_bytes());
    }
    body.extend_from_slice(Form::end(BOUNDARY).as_bytes());
    Ok(body)
}
