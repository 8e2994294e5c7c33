//! JSON: a row is an element of the one list in the file, or the one object.
//!
//! Only where an element begins and ends is found here; whether it is JSON is for the parser to say. So a file of any
//! length is read with the memory of its largest element.

use super::cursor::Position;
use super::input::Input;
use super::json;
use super::source::{Rows, Stop};
use model::Problem;
use serde_json::Value;
use std::io;

/// The rows of a JSON file.
#[derive(Debug)]
pub(super) struct Elements {
    shape: Shape,
    row: u64,
    element: Vec<u8>,
    limit: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    List,
    Object,
}

impl Elements {
    /// `input` stands at the beginning of the file, whose first character says what it holds.
    pub(super) fn open(input: &mut Input, at: Position, limit: usize) -> Result<Self, Stop> {
        skip_space(input)?;
        let line = input.line;
        let shape = match input.peek()? {
            Some(b'[') => Shape::List,
            Some(b'{') => Shape::Object,
            None => return Err(torn(line, "the file is empty: there is no list and no object in it")),
            Some(_) => {
                return Err(Stop::Problem(
                    Problem::new("json_not_rows", "the file holds neither a list nor an object")
                        .line(line)
                        .hint("`format: jsonl` or `format: csv` reads files of other kinds"),
                ));
            }
        };
        if shape == Shape::List {
            input.take(1);
        }
        input.go_to(at)?;
        Ok(Self { shape, row: at.row, element: Vec::new(), limit })
    }

    /// Goes to where an element must begin; `false` behind the end of the list.
    fn go_to_element(&self, input: &mut Input) -> Result<bool, Stop> {
        let line = input.line;
        match input.peek()? {
            None => return Err(torn(line, "the file ends before the list does: it was cut")),
            Some(b']') => {
                input.take(1);
                return Ok(false);
            }
            Some(b',') if self.row > 0 => input.take(1),
            Some(_) if self.row > 0 => return Err(no_json(input, "expected `,` or `]`")),
            Some(_) => {}
        }
        skip_space(input)?;
        match input.peek()? {
            None => Err(torn(input.line, "the file ends before the list does: it was cut")),
            Some(_) => Ok(true),
        }
    }

    fn take_element(&mut self, input: &mut Input) -> Result<Value, Stop> {
        let (offset, line) = (input.offset, input.line);
        self.element.clear();
        let mut boundary = Boundary::default();
        loop {
            let bytes = input.peek_bytes()?;
            if bytes.is_empty() {
                if boundary.ended {
                    break;
                }
                // A number too: a `1` may have been cut from a `12`.
                return Err(torn(line, "the file ends within the value that begins here: it was cut"));
            }
            let end = bytes.iter().position(|byte| boundary.passes(*byte));
            let count = end.unwrap_or(bytes.len());
            if self.element.len() + count > self.limit {
                return Err(Stop::Problem(json::too_large(line, self.limit)));
            }
            self.element.extend_from_slice(&bytes[..count]);
            input.take(count);
            if end.is_some() {
                break;
            }
        }
        json::parse(&self.element).map_err(|fault| {
            let reason = format!("byte {}: {}", offset + fault.index as u64 + 1, fault.reason);
            let problem = Problem::new(fault.code, reason).line(line + fault.lines);
            Stop::Problem(match fault.hint {
                Some(hint) => problem.hint(hint),
                None => problem,
            })
        })
    }
}

impl Rows for Elements {
    fn next(&mut self, input: &mut Input) -> Result<Option<Value>, Stop> {
        skip_space(input)?;
        let there_is_one = match self.shape {
            Shape::List => self.go_to_element(input)?,
            Shape::Object => self.row == 0,
        };
        if !there_is_one {
            expect_end(input)?;
            return Ok(None);
        }
        let value = self.take_element(input)?;
        self.row += 1;
        if self.shape == Shape::Object {
            expect_end(input)?;
        }
        Ok(Some(value))
    }
}

fn expect_end(input: &mut Input) -> Result<(), Stop> {
    skip_space(input)?;
    if input.peek()?.is_none() {
        return Ok(());
    }
    Err(Stop::Problem(
        Problem::new("json_trailing", "there is something behind the end of the list or object")
            .line(input.line)
            .hint("a file with one value a line is `format: jsonl`"),
    ))
}

fn no_json(input: &Input, reason: &str) -> Stop {
    let reason = format!("byte {}: this is no json: {reason}", input.offset + 1);
    Stop::Problem(Problem::new("row_not_json", reason).line(input.line))
}

fn torn(line: u64, reason: &str) -> Stop {
    Stop::Problem(Problem::new("json_torn", reason).line(line).hint("let the program that writes the file finish it"))
}

fn skip_space(input: &mut Input) -> io::Result<()> {
    input.skip_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
}

/// Finds the end of a value, byte by byte.
#[derive(Debug, Default)]
struct Boundary {
    begun: bool,
    depth: usize,
    in_text: bool,
    escaped: bool,
    /// The value's last byte was passed.
    ended: bool,
    /// A number, `true`, `false` or `null`: it ends where something else begins.
    bare: bool,
}

impl Boundary {
    /// Whether this byte lies behind the value.
    fn passes(&mut self, byte: u8) -> bool {
        if self.ended {
            return true;
        }
        if self.in_text {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => {
                    self.in_text = false;
                    self.ended = self.depth == 0;
                }
                _ => {}
            }
            return false;
        }
        if self.bare {
            return matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r');
        }
        match byte {
            b'"' => self.in_text = true,
            b'[' | b'{' => self.depth += 1,
            b']' | b'}' => {
                self.depth = self.depth.saturating_sub(1);
                self.ended = self.depth == 0;
            }
            _ => self.bare = !self.begun,
        }
        self.begun = true;
        false
    }
}
