//! YAML text to nodes: the core schema of YAML 1.2, bounded in every direction.
//!
//! Refused are the things that make YAML read differently from what it looks like: tags, merge keys, duplicate keys,
//! numbers that JSON cannot hold. JSON is read by the same code.

use super::node::{Content, Member, Node};
use model::Problem;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span};
use serde_json::{Number, Value};
use std::collections::HashMap;

/// How deep lists and objects may stand in each other.
pub(super) const MAX_DEPTH: usize = 64;
/// How much one text may become with its aliases written out, in bytes of scalars plus [`NODE_COST`] for each value.
const MAX_EXPANDED: usize = 16 << 20;
const NODE_COST: usize = 32;

/// Reads every document of a text. What can be read on after is collected, so that all of it is said at once.
pub(super) fn read(text: &str) -> Result<Vec<Node>, Vec<Problem>> {
    let mut reader = Reader::default();
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let done = match event {
            Ok((event, span)) => reader.take(event, span),
            Err(error) => Err(syntax(error.info(), *error.marker(), text)),
        };
        if let Err(problem) = done {
            reader.problems.push(problem);
            break;
        }
    }
    if reader.problems.is_empty() { Ok(reader.documents) } else { Err(reader.problems) }
}

#[derive(Default)]
struct Reader {
    documents: Vec<Node>,
    open: Vec<Open>,
    /// Finished nodes by anchor, with what they cost when written out.
    anchors: HashMap<usize, (Node, usize)>,
    cost: usize,
    problems: Vec<Problem>,
}

/// A list or an object that is being read.
struct Open {
    node: Node,
    anchor: usize,
    /// The cost before it was begun.
    cost_before: usize,
    /// The key whose value comes next, with its line. `None` in a list, and where a key comes next.
    key: Option<(String, u64)>,
    /// The lines of the keys so far.
    seen: HashMap<String, u64>,
}

impl Reader {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        let line = span.start.line() as u64;
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.is_some(), line);
                if self.expects_key() {
                    self.take_key(&text, style, line);
                    return Ok(());
                }
                let before = self.cost;
                self.spend(text.len(), line)?;
                let value = scalar(&text, style).unwrap_or_else(|problem| {
                    self.problems.push(problem.line(line));
                    Value::Null
                });
                self.place(Node { line, content: Content::Scalar(value) }, anchor, before)
            }
            Event::SequenceStart(anchor, tag) => {
                self.begin(Content::List(Vec::new()), anchor, tag.is_some(), span.start)
            }
            Event::MappingStart(anchor, tag) => {
                self.begin(Content::Object(Vec::new()), anchor, tag.is_some(), span.start)
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(open) => self.place(open.node, open.anchor, open.cost_before),
                None => Ok(()),
            },
            Event::Alias(anchor) => self.take_alias(anchor, line),
            // An anchor is known in its own document alone.
            Event::DocumentStart(_) => {
                self.anchors.clear();
                Ok(())
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn expects_key(&self) -> bool {
        self.open.last().is_some_and(|open| open.key.is_none() && matches!(open.node.content, Content::Object(_)))
    }

    fn take_key(&mut self, text: &str, style: ScalarStyle, line: u64) {
        if text == "<<" && style == ScalarStyle::Plain {
            self.problems.push(
                Problem::new("yaml_merge_key", "merge keys (<<) are not part of YAML 1.2 and are not read")
                    .line(line)
                    .hint("write the members out, or share a whole value with an anchor and an alias"),
            );
        }
        let Some(open) = self.open.last_mut() else { return };
        if let Some(first) = open.seen.insert(text.to_owned(), line) {
            let reason = format!("\"{text}\" stands here twice, first in line {first}");
            self.problems.push(Problem::new("yaml_duplicate_key", reason).line(line).hint("keep one of them"));
        }
        open.key = Some((text.to_owned(), line));
    }

    fn take_alias(&mut self, anchor: usize, line: u64) -> Result<(), Problem> {
        self.refuse_complex_key(line)?;
        let Some((node, cost)) = self.anchors.get(&anchor) else {
            return Err(Problem::new("yaml_alias", "this alias stands inside the very value it refers to").line(line));
        };
        let (mut node, cost, before) = (node.clone(), *cost, self.cost);
        node.line = line;
        self.spend(cost, line)?;
        self.refuse_depth(depth_of(&node), line)?;
        self.place(node, 0, before)
    }

    fn begin(&mut self, content: Content, anchor: usize, tagged: bool, at: Marker) -> Result<(), Problem> {
        let line = at.line() as u64;
        self.refuse_tag(tagged, line);
        self.refuse_complex_key(line)?;
        self.refuse_depth(1, line)?;
        let cost_before = self.cost;
        self.spend(0, line)?;
        self.open.push(Open { node: Node { line, content }, anchor, cost_before, key: None, seen: HashMap::new() });
        Ok(())
    }

    /// Puts a finished node where it belongs.
    fn place(&mut self, node: Node, anchor: usize, cost_before: usize) -> Result<(), Problem> {
        if anchor != 0 {
            let cost = self.cost - cost_before;
            self.spend(cost, node.line)?;
            self.anchors.insert(anchor, (node.clone(), cost));
        }
        let Some(open) = self.open.last_mut() else {
            self.documents.push(node);
            return Ok(());
        };
        match (&mut open.node.content, open.key.take()) {
            (Content::List(items), _) => items.push(node),
            (Content::Object(members), Some((key, line))) => members.push(Member { key, line, value: node }),
            (Content::Object(_) | Content::Scalar(_), _) => {}
        }
        Ok(())
    }

    fn spend(&mut self, bytes: usize, line: u64) -> Result<(), Problem> {
        self.cost = self.cost.saturating_add(bytes).saturating_add(NODE_COST);
        if self.cost <= MAX_EXPANDED {
            return Ok(());
        }
        let reason = format!(
            "this holds more than {} MiB, its aliases written out and {NODE_COST} bytes counted for each value",
            MAX_EXPANDED >> 20
        );
        Err(Problem::new("yaml_too_large", reason)
            .line(line)
            .hint("keep data in files of its own and use fewer aliases"))
    }

    fn refuse_depth(&self, more: usize, line: u64) -> Result<(), Problem> {
        if self.open.len() + more <= MAX_DEPTH {
            return Ok(());
        }
        Err(too_deep(line))
    }

    fn refuse_complex_key(&self, line: u64) -> Result<(), Problem> {
        if !self.expects_key() {
            return Ok(());
        }
        Err(Problem::new("yaml_key", "a key must be a plain text, not a list, an object or an alias")
            .line(line)
            .hint("quote the text if it begins with one of [ { * ? - or contains ${…} in braces"))
    }

    fn refuse_tag(&mut self, tagged: bool, line: u64) {
        if tagged {
            self.problems.push(
                Problem::new("yaml_tag", "tags (!…) are not read")
                    .line(line)
                    .hint("leave the tag out; quote a text that begins with an exclamation mark"),
            );
        }
    }
}

/// How deep lists and objects stand in each other.
pub(super) fn depth_of_value(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth_of_value).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth_of_value).max().unwrap_or(0),
        _ => 0,
    }
}

fn depth_of(node: &Node) -> usize {
    match &node.content {
        Content::Scalar(_) => 0,
        Content::List(items) => 1 + items.iter().map(depth_of).max().unwrap_or(0),
        Content::Object(members) => 1 + members.iter().map(|member| depth_of(&member.value)).max().unwrap_or(0),
    }
}

/// A scalar by the core schema (YAML 1.2.2, section 10.3.2): only plain text can be anything but a text.
fn scalar(text: &str, style: ScalarStyle) -> Result<Value, Problem> {
    if style != ScalarStyle::Plain {
        return Ok(Value::from(text));
    }
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => match number(text) {
            None => Value::from(text),
            Some(Some(number)) => Value::Number(number),
            Some(None) => {
                return Err(Problem::new("yaml_number", format!("{text} is no number that JSON can hold exactly"))
                    .hint("quote it if it is meant as a text"));
            }
        },
    })
}

/// Whether a plain scalar is a text.
pub(super) fn is_text(plain: &str) -> bool {
    scalar(plain, ScalarStyle::Plain).is_ok_and(|value| value.is_string())
}

/// `None`: not the form of a number. `Some(None)`: a number that cannot be kept.
fn number(text: &str) -> Option<Option<Number>> {
    let digits = |text: &str, base: u32| !text.is_empty() && text.chars().all(|digit| digit.is_digit(base));
    for (prefix, base) in [("0x", 16), ("0o", 8)] {
        if let Some(rest) = text.strip_prefix(prefix).filter(|rest| digits(rest, base)) {
            return Some(u64::from_str_radix(rest, base).ok().map(Number::from));
        }
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Some(None);
    }
    if digits(unsigned, 10) {
        let text = text.strip_prefix('+').unwrap_or(text);
        return Some(text.parse::<u64>().map(Number::from).or_else(|_| text.parse::<i64>().map(Number::from)).ok());
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_float = exponent.is_none_or(|exponent| digits(exponent, 10))
        && (digits(whole, 10) || whole.is_empty() && digits(fraction, 10))
        && (fraction.is_empty() || digits(fraction, 10));
    is_float.then(|| text.parse::<f64>().ok().and_then(Number::from_f64))
}

/// Broken YAML in words: the parser speaks of its own rules, and the usual causes are few. Each row: what the parser's
/// words contain, what we say, and a hint.
const SYNTAX: [(&str, &str, &str); 14] = [
    ("tab", "a tab stands where YAML wants spaces", "indent with spaces"),
    ("mapping values are not allowed", "a second \": \" in this line, or a wrong indentation", QUOTE),
    ("illegal placement of ':'", "a second \": \" in this line, or a wrong indentation", QUOTE),
    ("flow mapping", "a { … } is not closed, or a comma is missing in it", BRACKETS),
    ("flow sequence", "a [ … ] is not closed, or a comma is missing in it", BRACKETS),
    ("misplaced bracket", "a closing bracket without its opening one", BRACKETS),
    ("unknown escape", "an unknown escape in a double-quoted text", "write a backslash twice, or use single quotes"),
    ("Unicode character escape", "an escape that is no letter", "write the letter itself"),
    (
        "quoted scalar",
        "a quoted text is not closed, or a line of it is not indented",
        "close it with the quote that opens it",
    ),
    ("unknown anchor", "an alias (*name) without an anchor (&name) before it", "quote a text that begins with *"),
    ("block mapping", "a line that is no \"key: value\" of the object around it", INDENTATION),
    ("simple key expect", "a line that is no \"key: value\" of the object around it", INDENTATION),
    ("block collection", "a line that is no \"- item\" of the list around it", INDENTATION),
    (
        "invalid indentation",
        "a wrong indentation, or a bracket or quote that was opened before and is not closed",
        INDENTATION,
    ),
];
const QUOTE: &str = "quote a text that contains \": \"";
const BRACKETS: &str = "quote a text that contains brackets or braces";
const INDENTATION: &str = "check the indentation and the colons of this line and the one before";

fn syntax(info: &str, at: Marker, text: &str) -> Problem {
    if info.contains("recursion limit") {
        return too_deep(at.line() as u64);
    }
    let line = text.lines().nth(at.line().saturating_sub(1)).unwrap_or_default();
    let indentation = &line[..line.len() - line.trim_start().len()];
    let info = if indentation.contains('\t') { "tab" } else { info };
    let known = SYNTAX.iter().find(|(words, _, _)| info.contains(words));
    let reason = known.map_or(info, |(_, reason, _)| reason);
    let problem = Problem::new("yaml_syntax", format!("column {}: {reason}", at.col() + 1)).line(at.line() as u64);
    match known {
        Some((_, _, hint)) => problem.hint(*hint),
        None => problem,
    }
}

fn too_deep(line: u64) -> Problem {
    Problem::new("yaml_too_deep", format!("lists and objects stand more than {MAX_DEPTH} deep in each other"))
        .line(line)
}
