//! Forms on the wire: written piece by piece, files read from the disk as they are sent, never whole.

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use model::Problem;
use model::driver::Kept;
use model::form::{Content, FileSource, Form};
use std::collections::VecDeque;
use std::io::{self, Read};
use store::StoreError;
use tokio::io::AsyncReadExt;

/// How much of a file is read at a time.
const PIECE: usize = 64 << 10;

/// Where files lie: those of forms, and those that answers are.
pub trait Files: Send + Sync {
    /// Opens a file by the id of its blob.
    ///
    /// # Errors
    /// It is not there, or cannot be read.
    fn open(&self, id: &str) -> Result<std::fs::File, Problem>;

    /// Reads to the end and keeps what came; durable when it returns `Ok`. Blocks on the disk.
    ///
    /// # Errors
    /// The reader's, after which nothing of it is left, or the disk's.
    fn keep(&self, from: &mut dyn Read) -> Result<Kept, StoreError>;
}

/// A form, ready to be sent.
pub(super) struct Written {
    pub(super) content_type: String,
    /// Bytes in all.
    pub(super) length: u64,
    pieces: VecDeque<Piece>,
}

enum Piece {
    Bytes(Bytes),
    /// A file, and how much of it is left to send.
    File(tokio::fs::File, u64),
}

/// A file that was shorter when it was sent than when it was opened.
#[derive(Debug)]
pub(super) struct FileShrank;

impl std::fmt::Display for FileShrank {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a file became shorter while it was sent")
    }
}

impl std::error::Error for FileShrank {}

/// Opens every file of a form. Nothing is sent.
///
/// # Errors
/// A file that is not there: `blob_missing`, `file_unreadable`.
pub(super) fn write(form: &Form, files: &dyn Files) -> Result<Written, Problem> {
    let boundary = boundary()?;
    let mut pieces = VecDeque::new();
    let mut length = 0;
    let mut text = String::new();
    for field in &form.0 {
        text.push_str(&field.head(&boundary));
        let file = match &field.content {
            Content::Text(content) => {
                text.push_str(content);
                None
            }
            Content::File(part) => Some(match &part.source {
                FileSource::Bytes(bytes) => (bytes.len() as u64, Piece::Bytes(bytes.clone())),
                FileSource::Blob(id) => {
                    let file = files.open(id)?;
                    let unreadable = |error: io::Error| Problem::new("file_unreadable", error.to_string());
                    let size = file.metadata().map_err(unreadable)?.len();
                    (size, Piece::File(tokio::fs::File::from_std(file), size))
                }
            }),
        };
        if let Some((size, piece)) = file {
            length += text.len() as u64 + size;
            pieces.push_back(Piece::Bytes(std::mem::take(&mut text).into()));
            pieces.push_back(piece);
        }
        text.push_str(Form::AFTER);
    }
    text.push_str(&Form::end(&boundary));
    length += text.len() as u64;
    pieces.push_back(Piece::Bytes(text.into()));
    Ok(Written { content_type: format!("multipart/form-data; boundary={boundary}"), length, pieces })
}

/// 128 random bits, so that no content has it.
fn boundary() -> Result<String, Problem> {
    let mut bits = [0_u8; 16];
    getrandom::fill(&mut bits).map_err(|error| Problem::new("no_random", error.to_string()))?;
    Ok(format!("tramontane-{:032x}", u128::from_be_bytes(bits)))
}

impl Written {
    pub(super) fn into_stream(self) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        stream::try_unfold(self.pieces, |mut pieces| async move {
            loop {
                match pieces.pop_front() {
                    None => return Ok(None),
                    Some(Piece::Bytes(bytes)) if bytes.is_empty() => {}
                    Some(Piece::Bytes(bytes)) => return Ok(Some((bytes, pieces))),
                    Some(Piece::File(_, 0)) => {}
                    Some(Piece::File(mut file, left)) => {
                        let mut piece = vec![0; PIECE.min(usize::try_from(left).unwrap_or(PIECE))];
                        let read = file.read(&mut piece).await?;
                        if read == 0 {
                            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, FileShrank));
                        }
                        piece.truncate(read);
                        pieces.push_front(Piece::File(file, left - read as u64));
                        return Ok(Some((piece.into(), pieces)));
                    }
                }
            }
        })
    }
}

#[cfg(test)]
#[path = "form_tests.rs"]
mod tests;
