//! Stored definitions as YAML.
//!
//! Written by hand, since what is written must be read back exactly by [`super::yaml`], and as a text by other
//! readers too: what could be taken for anything but a text is quoted, with the escapes of JSON.

use super::check::parse_stored;
use super::kind::Kind;
use super::place::naive;
use super::{keys, shape, yaml};
use model::definition::Span;
use model::{Problem, Registry};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use store::StoredDefinition;

/// Words that YAML 1.1 takes for booleans.
const OLD_BOOLEANS: [&str; 6] = ["y", "n", "yes", "no", "on", "off"];
/// YAML takes a longer key for one only behind a question mark.
const SHORT_KEY: usize = 1_000;

/// Writes stored definitions as one YAML document: kinds in their order, names sorted, members as they were written,
/// texts of several lines as blocks. Reading it again plans no change.
///
/// # Errors
/// What this version cannot read.
pub fn export(stored: &[StoredDefinition]) -> Result<String, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut kinds = Map::new();
    for ((kind, name), value) in parse_stored(stored, &mut problems) {
        if let Value::Object(names) = kinds.entry(kind.as_str()).or_insert_with(|| Value::Object(Map::new())) {
            names.insert(name, value);
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut text = String::new();
    if kinds.is_empty() {
        text.push_str("{}\n");
    }
    write_members(&kinds, 0, &mut text);
    Ok(text)
}

/// Stored definitions as they can be taken elsewhere: files under these folders named relative to them, keys that are
/// written in the open hidden.
#[must_use]
pub fn portable(stored: &[StoredDefinition], folders: &[PathBuf], registry: &Registry) -> Vec<StoredDefinition> {
    let mut portable = stored.to_vec();
    for one in &mut portable {
        let Some(kind) = Kind::from_word(&one.kind) else { continue };
        let Ok(value) = serde_json::from_str::<Value>(&one.body) else { continue };
        let mut value = keys::masked(kind, &value);
        for place in shape::paths(kind, &value, registry) {
            if let Some(Value::String(path)) = value.pointer_mut(&naive(&place))
                && let Some(relative) = folders.iter().find_map(|folder| relative(path, folder))
            {
                *path = relative;
            }
        }
        one.body = value.to_string();
    }
    portable
}

/// A path from this folder on, where it is in it.
fn relative(path: &str, folder: &Path) -> Option<String> {
    let rest = Path::new(path).strip_prefix(folder).ok()?.to_str()?;
    match rest {
        "" => Some(".".to_owned()),
        // It would be taken for a variable that leads to where it likes.
        rest if rest.starts_with("${") => None,
        rest => Some(rest.to_owned()),
    }
}

fn write_members(members: &Map<String, Value>, indent: usize, out: &mut String) {
    for (index, (key, value)) in members.iter().enumerate() {
        if index > 0 {
            out.push_str(&" ".repeat(indent));
        }
        let key = line_of(key);
        match key.len() {
            ..=SHORT_KEY => out.push_str(&key),
            _ => out.push_str(&format!("? {key}\n{}", " ".repeat(indent))),
        }
        out.push(':');
        let nested = match value {
            Value::Object(members) => !members.is_empty(),
            Value::Array(items) => !items.is_empty(),
            _ => false,
        };
        out.push_str(&if nested { format!("\n{}", " ".repeat(indent + 2)) } else { " ".to_owned() });
        write_value(value, indent + 2, out);
    }
}

/// Writes a value whose first line stands where `out` ends, and whose further lines are indented.
fn write_value(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(members) if !members.is_empty() => write_members(members, indent, out),
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push_str(&" ".repeat(indent));
                }
                out.push_str("- ");
                write_value(item, indent + 2, out);
            }
        }
        Value::String(text) if fits_block(text) => write_block(text, indent, out),
        Value::String(text) => out.push_str(&(line_of(text) + "\n")),
        other => out.push_str(&format!("{other}\n")),
    }
}

/// Whether a text of several lines can stand as it is, without an indicator of its indentation.
fn fits_block(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with([' ', '\t', '\n'])
        && !text.lines().any(|line| !line.is_empty() && line.trim().is_empty())
        && !text.contains(|letter| must_escape(letter) && !matches!(letter, '\n' | '\t'))
}

fn write_block(text: &str, indent: usize, out: &mut String) {
    // Which line ends at the end of the text are part of it: none, one, or all.
    let ends = match text.strip_suffix('\n') {
        None => "-",
        Some(rest) if rest.ends_with('\n') => "+",
        Some(_) => "",
    };
    out.push_str(&format!("|{ends}\n"));
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        if !line.is_empty() {
            out.push_str(&" ".repeat(indent));
            out.push_str(line);
        }
        out.push('\n');
    }
}

/// A text in one line: plain where every reader takes it for this text, else quoted.
fn line_of(text: &str) -> String {
    let plain_letter = |letter: char| letter.is_alphanumeric() || " _-./:${}@+,()=;".contains(letter);
    let is_plain = text.starts_with(|first: char| first.is_alphabetic() || "/_$".contains(first))
        && text.chars().all(plain_letter)
        && !text.contains(": ")
        && !text.ends_with([':', ' '])
        && !OLD_BOOLEANS.contains(&text.to_lowercase().as_str())
        && yaml::is_text(text);
    if is_plain || text.parse::<Span>().is_ok_and(|span| span.to_string() == text) {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            letter if must_escape(letter) => quoted.push_str(&format!("\\u{:04x}", u32::from(letter))),
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

/// Letters that YAML does not print, or that a reader may take for the end of a line. All are below U+10000.
fn must_escape(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}
