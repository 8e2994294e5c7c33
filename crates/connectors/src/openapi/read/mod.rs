//! Reads an OpenAPI 3.1 document, and what is kept by hand beside it, into a [`Catalogue`].
//!
//! Facts are taken, words are not: no description, title or example of a schema gets into a catalogue. What is not
//! understood is an error that names its place, never passed over in silence.

mod checks;
mod clean;
pub mod document;
mod finds;
mod node;
mod operations;
mod overrides;
mod repair;
mod twins;
mod waits;

pub use document::MAX_BYTES;

use super::catalogue::{Catalogue, Entry, Source};
use clean::Cleaner;
use model::{Problem, Severity};
use node::Node;
use operations::{Credentials, Reader};
use overrides::Overrides;
use serde_json::Value;
use serde_json::value::to_raw_value;
use std::collections::{BTreeMap, HashSet};

/// An OpenAPI document.
#[derive(Clone, Copy, Debug)]
pub struct Document<'a> {
    /// Name of its file.
    pub file: &'a str,
    /// SHA-256 of its bytes, in hex.
    pub sha256: &'a str,
    /// The whole text, YAML or JSON.
    pub text: &'a str,
}

/// A catalogue and what is still to be said by hand.
#[derive(Debug)]
pub struct Reading {
    /// The catalogue.
    pub catalogue: Catalogue,
    /// Warnings `override_missing`: operations without a title, a summary or (but for GETs) an effect of our own. They
    /// carry the document's short title, and the effect that is never repeated on its own.
    pub gaps: Vec<Problem>,
    /// Warnings of [`read_newer`]: what fits no more and was left out.
    pub left_out: Vec<Problem>,
}

/// Reads a document and the overrides that belong to it.
///
/// # Errors
/// `document_unreadable`; `openapi_not_understood`, with a JSON pointer into the document; `override_unfit`, with a
/// dotted place in the overrides, for every override that fits nothing.
pub fn read(document: &Document<'_>, overrides: &str) -> Result<Reading, Vec<Problem>> {
    let reading = read_newer(document, overrides)?;
    if reading.left_out.is_empty() {
        return Ok(reading);
    }
    Err(reading.left_out.into_iter().map(|problem| Problem { severity: Severity::Error, ..problem }).collect())
}

/// Reads a document that is newer than the overrides: those that fit nothing are left out, each with a warning.
///
/// # Errors
/// As [`read`], but for overrides that fit nothing.
pub fn read_newer(document: &Document<'_>, overrides: &str) -> Result<Reading, Vec<Problem>> {
    let overrides = Overrides::parse(overrides)?;
    let one = |problem| vec![problem];
    let mut draft = draft(document, &overrides).map_err(one)?;
    let mut left_out = std::mem::take(&mut draft.unknown_credentials);
    overrides.repair(&mut draft.schemas, &mut left_out);
    overrides.complete(&mut draft.entries, &draft.schemas, &mut left_out);
    let gaps = overrides.gaps(&draft.entries);
    let catalogue = finish(draft).map_err(one)?;
    Ok(Reading { catalogue, gaps, left_out: left_out.into_iter().map(Problem::warning).collect() })
}

/// What the document says, before anything is repaired.
struct Draft {
    source: Source,
    entries: Vec<Entry>,
    schemas: BTreeMap<String, Value>,
    /// Operations whose security scheme is not known. They ask for the normal key.
    unknown_credentials: Vec<Problem>,
}

fn draft(document: &Document<'_>, overrides: &Overrides) -> Result<Draft, Problem> {
    let value = document::parse(document.text)?;
    let root = Node::root(&value);
    let version = header(&root)?;
    let mut cleaner = Cleaner::new(&root)?;
    let mut unknown = Vec::new();
    let credentials = Credentials { known: &overrides.credentials, unknown: &mut unknown };
    let found = Reader { root: &root, cleaner: &mut cleaner, credentials }.operations()?;
    let (file, sha256) = (document.file.to_owned(), document.sha256.to_owned());
    let source = Source { file, sha256, version, operations: found.len() };
    let mut schemas = cleaner.schemas;
    let entries = twins::fold(found, &mut schemas)?;
    let schemas = checks::reachable(&entries, schemas)?;
    Ok(Draft { source, entries, schemas, unknown_credentials: unknown })
}

fn finish(draft: Draft) -> Result<Catalogue, Problem> {
    let Draft { source, mut entries, schemas, .. } = draft;
    distinguish(&mut entries);
    let schemas = checks::reachable(&entries, schemas)?;
    checks::sound(&entries, &schemas)?;
    let text = |schema| to_raw_value(schema).map_err(|error| Problem::new("openapi_not_understood", error.to_string()));
    let schemas = schemas.iter().map(|(name, schema)| Ok((name.clone(), text(schema)?)));
    Ok(Catalogue { source, operations: entries, schemas: schemas.collect::<Result<_, Problem>>()? })
}

/// The version of the API, after the version of OpenAPI was found to be one that is understood.
fn header(root: &Node<'_>) -> Result<String, Problem> {
    if !root.value.is_object() {
        return Err(root.problem("an OpenAPI 3.1 document is an object, and this is none"));
    }
    let is_understood =
        root.get("openapi").is_some_and(|found| found.text().is_ok_and(|text| text.starts_with("3.1.")));
    if !is_understood {
        let place = root.get("openapi").unwrap_or_else(|| root.clone());
        return Err(place.problem("this is no OpenAPI 3.1 document").hint("its first line says openapi: 3.1.0"));
    }
    root.known(&["openapi", "info", "servers", "paths", "components", "security", "tags", "externalDocs"])?;
    Ok(root.need("info")?.text_of("version")?.to_owned())
}

/// Makes titles unique per method: where one stands twice, its second entry is known by its path.
fn distinguish(entries: &mut [Entry]) {
    let mut taken = HashSet::new();
    for entry in entries {
        if !taken.insert((entry.method, entry.title.to_lowercase())) {
            entry.title.clone_from(&entry.path);
        }
    }
}
