//! YAML text to values that know their lines; JSON is YAML. Only what a faults file needs: no tags, no aliases.

use model::Problem;
use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::Value;

/// How deep lists and objects may stand in each other.
const MAX_DEPTH: usize = 32;

/// A value and the line that it begins in.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) line: u64,
    pub(super) content: Content,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    Scalar(Value),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Node {
    /// The value without its lines.
    pub(super) fn value(&self) -> Value {
        match &self.content {
            Content::Scalar(value) => value.clone(),
            Content::List(items) => items.iter().map(Self::value).collect(),
            Content::Object(members) => {
                members.iter().map(|(name, member)| (name.clone(), member.value())).collect::<Value>()
            }
        }
    }
}

/// A list or an object that is being read, and the key whose value comes next.
struct Open {
    node: Node,
    key: Option<(String, u64)>,
}

/// Reads the one document of a text; an empty text is nothing.
pub(super) fn read(text: &str) -> Result<Node, Problem> {
    let (mut open, mut whole) = (Vec::new(), None);
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| {
            let at = error.marker();
            let reason = format!("column {}: {}", at.col() + 1, error.info());
            let hint = "check the indentation, and quote texts that contain \": \" or brackets";
            Problem::new("yaml_syntax", reason).line(at.line() as u64).hint(hint)
        })?;
        let finished = take(event, span.start.line() as u64, &mut open)?;
        if let Some(node) = finished
            && let Some(node) = place(node, &mut open)?
            && let Some(_first) = whole.replace(node)
        {
            let reason = "there is more than one document";
            return Err(Problem::new("yaml_syntax", reason).line(span.start.line() as u64).hint("keep one of them"));
        }
    }
    Ok(whole.unwrap_or(Node { line: 1, content: Content::Scalar(Value::Null) }))
}

/// Takes an event in; what it finishes comes back.
fn take(event: Event<'_>, line: u64, open: &mut Vec<Open>) -> Result<Option<Node>, Problem> {
    let content = match event {
        Event::Scalar(_, _, _, Some(_)) | Event::SequenceStart(_, Some(_)) | Event::MappingStart(_, Some(_)) => {
            return Err(Problem::new("yaml_tag", "tags (!…) are not read").line(line).hint("leave the tag out"));
        }
        Event::Alias(_) => {
            let problem = Problem::new("yaml_alias", "aliases (*name) are not read in a faults file");
            return Err(problem.line(line).hint("write the value out"));
        }
        Event::Scalar(text, style, ..) => {
            if let Some(Open { key: key @ None, node: Node { content: Content::Object(_), .. } }) = open.last_mut() {
                *key = Some((text.into_owned(), line));
                return Ok(None);
            }
            let value = if style == ScalarStyle::Plain { plain(&text) } else { Value::from(text.as_ref()) };
            return Ok(Some(Node { line, content: Content::Scalar(value) }));
        }
        Event::SequenceStart(..) => Content::List(Vec::new()),
        Event::MappingStart(..) => Content::Object(Vec::new()),
        Event::SequenceEnd | Event::MappingEnd => return Ok(open.pop().map(|open| open.node)),
        _ => return Ok(None),
    };
    if let Some(Open { key: None, node: Node { content: Content::Object(_), .. } }) = open.last() {
        return Err(Problem::new("yaml_key", "a key must be a plain text").line(line));
    }
    if open.len() == MAX_DEPTH {
        let reason = format!("lists and objects stand more than {MAX_DEPTH} deep in each other");
        return Err(Problem::new("yaml_too_deep", reason).line(line));
    }
    open.push(Open { node: Node { line, content }, key: None });
    Ok(None)
}

/// Puts a finished value where it belongs; the outermost comes back.
fn place(node: Node, open: &mut [Open]) -> Result<Option<Node>, Problem> {
    let Some(Open { node: around, key }) = open.last_mut() else { return Ok(Some(node)) };
    match (&mut around.content, key.take()) {
        (Content::List(items), _) => items.push(node),
        (Content::Object(members), Some((key, line))) => {
            if members.iter().any(|(known, _)| *known == key) {
                let problem = Problem::new("yaml_duplicate_key", format!("\"{key}\" stands here twice"));
                return Err(problem.line(line).hint("keep one of them"));
            }
            members.push((key, node));
        }
        _ => {}
    }
    Ok(None)
}

/// A plain scalar by the core schema, as far as faults files need it.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => {
            let unsigned = text.strip_prefix('+').unwrap_or(text);
            let number = text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first));
            let whole = unsigned.parse::<u64>().map(Value::from).or_else(|_| text.parse::<i64>().map(Value::from));
            match whole {
                Ok(whole) => whole,
                Err(_) if number => text.parse::<f64>().map_or_else(|_| text.into(), Value::from),
                Err(_) => text.into(),
            }
        }
    }
}
