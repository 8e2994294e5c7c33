//! The catalogue: an API's operations as facts, made by `cargo xtask catalogue` and embedded in the binary.

use model::{Credential, Effect};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// All operations of one API.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// What it was made from.
    pub source: Source,
    /// One entry per distinct method and path, sorted by path, then method.
    pub operations: Vec<Entry>,
    /// Component schemas by name, unparsed until needed. A reference to one is `{"$ref": "#/schemas/NAME"}`.
    pub schemas: BTreeMap<String, Box<RawValue>>,
}

/// The document a catalogue was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// File name of the OpenAPI document.
    pub file: String,
    /// Its SHA-256, in hex.
    pub sha256: String,
    /// Its `info.version`.
    pub version: String,
    /// Operations in the document; entries may be fewer, since stream twins are variants of one entry.
    pub operations: usize,
}

/// One operation: a distinct method and path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Name for people, unique per method: "Retrieve Model".
    pub title: String,
    /// HTTP method.
    pub method: Method,
    /// Path template without `#…`: `/v1/models/{model_id}`.
    pub path: String,
    /// Group for people: the document's first tag, for example `models`, `beta.libraries.documents`.
    pub area: String,
    /// One line in our own words.
    pub summary: String,
    /// Parameters in the order of the document.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Parameter>,
    /// The body, where there may be one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Body>,
    /// Successful answers, smallest status first.
    pub answers: Vec<Answer>,
    /// Whether and how it streams. A twin of the document (`…#stream`) is counted in `variants`.
    #[serde(default, skip_serializing_if = "Stream::is_none")]
    pub stream: Stream,
    /// Operations of the document that this entry stands for: 2 where a stream twin was folded in, else 1.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub variants: usize,
    /// How a list goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paging: Option<Paging>,
    /// Where the items of a list answer are, paged or not: a JSON pointer, `""` for the whole answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<String>,
    /// How the work is followed that the operation starts; none where its answer ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Wait>,
    /// How a call is looked for whose answer was lost; none where nothing tells it from others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub find: Option<Find>,
    /// What a repeat does.
    pub effect: Effect,
    /// The kind of credential it asks for.
    #[serde(default, skip_serializing_if = "is_api_key")]
    pub credential: Credential,
    /// Whether the document calls it deprecated.
    #[serde(default, skip_serializing_if = "is_false")]
    pub deprecated: bool,
    /// Title of the operation that replaces it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<String>,
}

/// How work is followed that goes on after the answer that started it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// Path of the GET that tells how it stands.
    pub poll: String,
    /// By slot of that path: where the answer that started the work has its value, a JSON pointer. Slots that are not
    /// here have the values of the request that started it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub slots: BTreeMap<String, String>,
    /// Where an answer has the state of the work: a JSON pointer.
    pub status: String,
    /// States in which it is done.
    pub done: Vec<String>,
    /// States in which it has come to nothing.
    pub failed: Vec<String>,
}

/// How a call is looked for whose answer was lost: what it would have made is asked for, by name or in a list.
///
/// Values of the lost request are named by JSON pointers into it (`/payload/name`), and those of the one file in its
/// form by `file.name` and `file.size`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Find {
    /// Path of the GET that is asked.
    pub ask: String,
    /// By slot of that path that the lost request's own path has not: which value of it fills the slot.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub slots: BTreeMap<String, String>,
    /// By query parameter: which value of the lost request it is given, so that the list is short.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub query: BTreeMap<String, String>,
    /// By JSON pointer into what is found: which value of the lost request must be there. One that the request has not
    /// is passed over.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub same: BTreeMap<String, String>,
    /// JSON pointer into the payload, and into what is found: where the request is marked before it is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
    /// JSON pointer into what is found: when it was made, in Unix seconds or as RFC 3339. What was made before the call
    /// is not what the call made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
}

/// HTTP methods of the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Reads.
    Get,
    /// Creates, computes, starts, searches.
    Post,
    /// Replaces.
    Put,
    /// Changes.
    Patch,
    /// Deletes.
    Delete,
}

impl Method {
    /// As on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// One parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Name as on the wire.
    pub name: String,
    /// Where it goes.
    #[serde(rename = "in")]
    pub location: Location,
    /// Whether it must be there.
    #[serde(default, skip_serializing_if = "is_false")]
    pub required: bool,
    /// Whether the document calls it deprecated.
    #[serde(default, skip_serializing_if = "is_false")]
    pub deprecated: bool,
    /// How its value becomes text.
    #[serde(default, skip_serializing_if = "Encoding::is_form")]
    pub encoding: Encoding,
    /// Its JSON Schema.
    pub schema: Value,
}

/// Where a parameter goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Location {
    /// A slot of the path.
    Path,
    /// The query string.
    Query,
    /// A header.
    Header,
}

/// How a parameter's value becomes text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Text as it is; a list as repeated keys. The default of OpenAPI.
    #[default]
    Form,
    /// JSON text in one value.
    Json,
    /// An object spread into its members, each a key of its own.
    Spread,
}

impl Encoding {
    fn is_form(&self) -> bool {
        *self == Self::Form
    }
}

/// A request body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Body {
    /// JSON or multipart.
    pub kind: BodyKind,
    /// Whether it must be there.
    #[serde(default, skip_serializing_if = "is_false")]
    pub required: bool,
    /// Its JSON Schema.
    pub schema: Value,
}

/// How a body goes on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyKind {
    /// `application/json`.
    Json,
    /// `multipart/form-data`.
    Multipart,
}

/// A successful answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Media type, `None` where the answer is empty. `text/event-stream` is said by [`Entry::stream`] too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// JSON Schema of a JSON answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
}

/// Whether and how an operation streams server-sent events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Never.
    #[default]
    None,
    /// Where `payload.stream` is true.
    Optional,
    /// Always.
    Always,
}

impl Stream {
    fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// How a list goes on from page to page. Names are parameters in the query, or members of the body of a POST.
/// Paths are JSON pointers into the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, tag = "scheme", rename_all = "snake_case")]
pub enum Paging {
    /// A token of the answer goes into the next request.
    Cursor {
        /// Takes the token.
        parameter: String,
        /// Page size.
        size: String,
        /// Where the next token is; absent, null or empty at the end.
        next: String,
    },
    /// Pages are counted.
    Page {
        /// Takes the page number.
        parameter: String,
        /// Page size.
        size: String,
        /// Number of the first page: 0 or 1.
        first: u32,
        /// Where the answer says whether there is more (true, or not null and not empty).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        more: Option<String>,
        /// Where the answer says how many items there are in all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total: Option<String>,
        /// The service's page size where none is asked for.
        default_size: u32,
    },
    /// Items are counted.
    Offset {
        /// Takes the number of items to pass over.
        parameter: String,
        /// Page size.
        size: String,
        /// Where the answer says how many items there are in all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total: Option<String>,
        /// The service's page size where none is asked for.
        default_size: u32,
    },
    /// The last item's time goes into the next request.
    Window {
        /// Takes the time.
        parameter: String,
        /// Page size.
        size: String,
        /// Where an item has its time: a JSON pointer into the item.
        at: String,
        /// The service's page size where none is asked for.
        default_size: u32,
    },
}

fn one() -> usize {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_one(value: &usize) -> bool {
    *value == 1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_api_key(value: &Credential) -> bool {
    *value == Credential::ApiKey
}
