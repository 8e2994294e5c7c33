//! CSV: a row is a record, as an object of texts.

use super::cursor::Position;
use super::input::Input;
use super::json;
use super::options::{Dialect, check_names};
use super::source::{Rows, Stop};
use csv_core::ReadRecordResult;
use model::Problem;
use serde_json::{Map, Value};

/// The rows of a CSV file.
pub(super) struct Records {
    parser: csv_core::Reader,
    names: Vec<String>,
    null: Option<String>,
    record: Record,
    limit: usize,
}

/// The cells of one record, one behind the other.
#[derive(Default)]
struct Record {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    count: usize,
}

impl Record {
    fn cells(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).take(self.count).map(|(start, end)| &self.bytes[start..*end])
    }
}

impl Records {
    /// `input` stands at the beginning of the file, where the header is.
    pub(super) fn open(input: &mut Input, at: Position, dialect: Dialect, limit: usize) -> Result<Self, Stop> {
        let mut parser = csv_core::ReaderBuilder::new().delimiter(dialect.delimiter).quote(dialect.quote).build();
        // A fresh parser takes a mark of UTF-8 away from what it sees first. `Input` has done that; here it is data.
        parser.read_record(b"\n", &mut [0], &mut [0]);
        let mut records = Self { parser, names: Vec::new(), null: dialect.null, record: Record::default(), limit };
        match dialect.names {
            Some(names) => records.names = names,
            None => records.read_header(input)?,
        }
        input.go_to(at)?;
        Ok(records)
    }

    fn read_header(&mut self, input: &mut Input) -> Result<(), Stop> {
        let Some(line) = self.take_record(input)? else { return Ok(()) };
        self.names = self.record.cells().map(|cell| text(cell, line).map(str::to_owned)).collect::<Result<_, _>>()?;
        match check_names(&self.names) {
            None => Ok(()),
            Some(reason) => Err(Stop::Problem(Problem::new("csv_header", reason).line(line))),
        }
    }

    /// Takes one record and gives the line that it begins in; `None` at the end of the file.
    fn take_record(&mut self, input: &mut Input) -> Result<Option<u64>, Stop> {
        input.skip_while(|byte| matches!(byte, b'\n' | b'\r'))?;
        if input.peek()?.is_none() {
            return Ok(None);
        }
        let (start, line) = (input.offset, input.line);
        let (mut filled, mut ended) = (0, 0);
        loop {
            let bytes = input.peek_bytes()?;
            let at_end_of_file = bytes.is_empty();
            // A line break behind the last byte ends the record, unless it falls into an open quote.
            let bytes = if at_end_of_file { b"\n" } else { bytes };
            let room = (&mut self.record.bytes[filled..], &mut self.record.ends[ended..]);
            let (result, read, wrote, cells) = self.parser.read_record(bytes, room.0, room.1);
            filled += wrote;
            ended += cells;
            if !at_end_of_file {
                input.take(read);
            }
            let line_break = u64::from(result == ReadRecordResult::Record && !at_end_of_file);
            if input.offset - start - line_break > self.limit as u64 {
                return Err(Stop::Problem(json::too_large(line, self.limit)));
            }
            match result {
                ReadRecordResult::Record => {
                    self.record.count = ended;
                    return Ok(Some(line));
                }
                ReadRecordResult::OutputFull => grow(&mut self.record.bytes),
                ReadRecordResult::OutputEndsFull => grow(&mut self.record.ends),
                ReadRecordResult::InputEmpty if !at_end_of_file => {}
                ReadRecordResult::InputEmpty | ReadRecordResult::End => {
                    return Err(Stop::Problem(
                        Problem::new("csv_torn", "the file ends within a quote of the row that begins here")
                            .line(line)
                            .hint("the file was cut, or a quote in it is not written twice"),
                    ));
                }
            }
        }
    }
}

impl Rows for Records {
    fn next(&mut self, input: &mut Input) -> Result<Option<Value>, Stop> {
        let Some(line) = self.take_record(input)? else { return Ok(None) };
        if self.record.count != self.names.len() {
            let reason = format!("the row has {} cells, the header has {}", self.record.count, self.names.len());
            return Err(Stop::Problem(
                Problem::new("row_cells", reason)
                    .line(line)
                    .hint("a cell that holds the delimiter or a line break stands in quotes"),
            ));
        }
        let mut row = Map::with_capacity(self.names.len());
        for (name, cell) in self.names.iter().zip(self.record.cells()) {
            let text = text(cell, line)?;
            let is_null = self.null.as_deref() == Some(text);
            row.insert(name.clone(), if is_null { Value::Null } else { Value::from(text) });
        }
        Ok(Some(Value::Object(row)))
    }
}

fn grow<T: Default + Clone>(room: &mut Vec<T>) {
    room.resize((room.len() * 2).max(64), T::default());
}

fn text(cell: &[u8], line: u64) -> Result<&str, Stop> {
    std::str::from_utf8(cell).map_err(|_| {
        Stop::Problem(
            Problem::new("row_not_utf8", "a cell of the row that begins here is not UTF-8")
                .line(line)
                .hint("save the file as UTF-8"),
        )
    })
}
