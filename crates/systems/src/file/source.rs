//! The subscriber: pages of rows.

use super::cursor::{self, Position};
use super::disk::{about, explain, open_to_read};
use super::elements::Elements;
use super::input::Input;
use super::lines::Lines;
use super::options::{Reading, Shape};
use super::records::Records;
use super::{blocking, not_sent, rejected};
use async_trait::async_trait;
use model::Problem;
use model::driver::{Failure, Keep, Page, Source};
use serde_json::Value;
use std::io;
use std::sync::Arc;

/// A page ends when it holds this many bytes of the file, however many rows were asked for: memory stays flat with
/// large rows too.
const PAGE_BYTES: u64 = 8 << 20;

/// A file, ready to be pulled.
#[derive(Debug)]
pub(super) struct FileSource {
    reading: Arc<Reading>,
}

impl FileSource {
    pub(super) fn new(reading: Reading) -> Self {
        Self { reading: Arc::new(reading) }
    }
}

#[async_trait]
impl Source for FileSource {
    async fn pull(&self, cursor: Option<&Value>, limit: usize, _: &Arc<dyn Keep>) -> Result<Page, Failure> {
        let (reading, cursor) = (Arc::clone(&self.reading), cursor.cloned());
        blocking(move || pull(&reading, cursor.as_ref(), limit)).await
    }
}

/// The rows of a file, however it is written.
pub(super) trait Rows {
    /// The next row from where the input stands; `None` behind the last.
    fn next(&mut self, input: &mut Input) -> Result<Option<Value>, Stop>;
}

/// Why there is no next row.
#[derive(Debug)]
pub(super) enum Stop {
    /// The disk did not give it.
    Disk(io::Error),
    /// It is not what it should be.
    Problem(Problem),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

fn pull(reading: &Reading, cursor: Option<&Value>, limit: usize) -> Result<Page, Failure> {
    let path = &reading.path;
    let fail = |stop| match stop {
        Stop::Disk(error) => not_sent(explain(path, &error)),
        Stop::Problem(problem) => rejected(about(path, problem)),
    };
    let mut file = open_to_read(path)?;
    let start = cursor::resume(cursor, &mut file, path)?;
    if !matches!(reading.shape, Shape::Elements) {
        cursor::check_line_break(start, &mut file, path)?;
    }
    let mut input = Input::open(file).map_err(|error| fail(error.into()))?;
    let mut rows = open_rows(&reading.shape, &mut input, start, reading.max_row).map_err(fail)?;
    let mut page = Page::default();
    let mut at = start;
    page.more = true;
    while page.payloads.len() < limit && at.offset - start.offset < PAGE_BYTES {
        match rows.next(&mut input) {
            Ok(Some(row)) => {
                page.payloads.push(row);
                at = input.position(at.row + 1);
            }
            Ok(None) => {
                page.more = false;
                break;
            }
            // The rows before it are good: they go out first, and the next pull begins and ends here.
            Err(_) if !page.payloads.is_empty() => break,
            Err(stop) => return Err(fail(stop)),
        }
    }
    let mut file = input.into_file();
    let length = file.metadata().map_err(|error| fail(error.into()))?.len();
    page.progress = Some((if page.more { at.offset } else { length }, length));
    page.cursor = Some(cursor::keep(at, &mut file, path)?);
    Ok(page)
}

/// Opens the rows at a position, with the input standing there.
fn open_rows(shape: &Shape, input: &mut Input, at: Position, limit: usize) -> Result<Box<dyn Rows>, Stop> {
    Ok(match shape {
        Shape::Lines => {
            input.go_to(at)?;
            Box::new(Lines::new(limit))
        }
        Shape::Elements => Box::new(Elements::open(input, at, limit)?),
        Shape::Records(dialect) => Box::new(Records::open(input, at, dialect.clone(), limit)?),
    })
}
