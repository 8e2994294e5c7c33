//! The stream that rows are read from: it knows where it stands.

use super::cursor::Position;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

/// How much is asked of the disk at once.
const BUFFER: usize = 64 << 10;

/// A file being read, with its offset and line.
#[derive(Debug)]
pub(super) struct Input {
    reader: BufReader<File>,
    /// Bytes taken so far.
    pub(super) offset: u64,
    /// The present line, counted from 1.
    pub(super) line: u64,
}

/// How a line ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LineEnd {
    /// With a line feed, which is not part of it.
    Newline,
    /// With the file.
    File,
    /// Not within the limit.
    Limit,
}

impl Input {
    /// Reads from the beginning; a mark of UTF-8 there is passed over.
    pub(super) fn open(mut file: File) -> io::Result<Self> {
        file.seek(SeekFrom::Start(0))?;
        let mut input = Self { reader: BufReader::with_capacity(BUFFER, file), offset: 0, line: 1 };
        if input.peek_bytes()?.starts_with(b"\xEF\xBB\xBF") {
            input.take(3);
        }
        Ok(input)
    }

    /// Goes to where a row was taken before; the beginning is where it stands already.
    pub(super) fn go_to(&mut self, at: Position) -> io::Result<()> {
        if at.row > 0 {
            self.reader.seek(SeekFrom::Start(at.offset))?;
            (self.offset, self.line) = (at.offset, at.line);
        }
        Ok(())
    }

    /// Where it stands, behind this many rows.
    pub(super) fn position(&self, row: u64) -> Position {
        Position { offset: self.offset, line: self.line, row }
    }

    /// The bytes that come next, as many as are at hand; none at the end of the file.
    pub(super) fn peek_bytes(&mut self) -> io::Result<&[u8]> {
        self.reader.fill_buf()
    }

    /// The byte that comes next.
    pub(super) fn peek(&mut self) -> io::Result<Option<u8>> {
        Ok(self.peek_bytes()?.first().copied())
    }

    /// Takes bytes that were peeked at.
    pub(super) fn take(&mut self, count: usize) {
        let newlines = self.reader.buffer().iter().take(count).filter(|byte| **byte == b'\n').count();
        self.line += newlines as u64;
        self.offset += count as u64;
        self.reader.consume(count);
    }

    /// Takes bytes for as long as they fit.
    pub(super) fn skip_while(&mut self, fits: impl Fn(u8) -> bool) -> io::Result<()> {
        loop {
            let bytes = self.peek_bytes()?;
            let at_hand = bytes.len();
            let count = bytes.iter().position(|byte| !fits(*byte)).unwrap_or(at_hand);
            self.take(count);
            if count < at_hand || at_hand == 0 {
                return Ok(());
            }
        }
    }

    /// Takes one line, at most `limit` bytes of it.
    pub(super) fn take_line(&mut self, line: &mut Vec<u8>, limit: usize) -> io::Result<LineEnd> {
        line.clear();
        let count = (&mut self.reader).take(limit as u64 + 1).read_until(b'\n', line)?;
        self.offset += count as u64;
        if line.last() == Some(&b'\n') {
            line.pop();
            self.line += 1;
            return Ok(LineEnd::Newline);
        }
        Ok(if count > limit { LineEnd::Limit } else { LineEnd::File })
    }

    /// Gives the file back.
    pub(super) fn into_file(self) -> File {
        self.reader.into_inner()
    }
}
