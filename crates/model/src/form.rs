//! Multipart bodies (RFC 7578): what is in them, and how they are written. Where a file lies is for the exchange to know.

use bytes::Bytes;

/// The fields of a form, in the order in which they are sent: texts first, files last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form(pub Vec<Field>);

/// One field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name; a list is the same name again and again.
    pub name: String,
    /// What it holds.
    pub content: Content,
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A text.
    Text(String),
    /// A file.
    File(FilePart),
}

/// A file in a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePart {
    /// Its name, without a folder.
    pub filename: String,
    /// Its media type.
    pub media_type: String,
    /// Its content.
    pub source: FileSource,
}

/// Where a file's content is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileSource {
    /// In the blob of this id.
    Blob(String),
    /// Here.
    Bytes(Bytes),
}

impl Field {
    /// What stands before the field's content.
    #[must_use]
    pub fn head(&self, boundary: &str) -> String {
        let name = quoted(&self.name);
        match &self.content {
            Content::Text(_) => {
                format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n")
            }
            Content::File(file) => format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{}\"\r\nContent-Type: {}\r\n\r\n",
                quoted(&file.filename),
                file.media_type.replace(['\r', '\n'], ""),
            ),
        }
    }
}

impl Form {
    /// What stands behind each content.
    pub const AFTER: &'static str = "\r\n";

    /// What stands behind everything.
    #[must_use]
    pub fn end(boundary: &str) -> String {
        format!("--{boundary}--\r\n")
    }
}

/// As browsers and the official clients write names: in UTF-8, with what would end them percent-encoded.
fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}
