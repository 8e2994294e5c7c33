//! Definitions as written in files: read, but not yet checked.

use super::kind::{self, Kind};
use super::node::{Content, Member, Node};
use super::{shape, yaml};
use model::request::kind_of;
use model::{Problem, Registry};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The largest definitions file, in bytes.
pub const MAX_FILE_BYTES: u64 = 4 << 20;
/// The most definitions files in a folder.
pub const MAX_FILES: usize = 1_000;
/// The most bytes of all files together.
pub const MAX_BYTES: usize = 32 << 20;

const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// Definitions as written, each with its file and lines.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    pub(super) entries: BTreeMap<(Kind, String), Entry>,
    /// What relative file paths are relative to. `None` leaves them as they are.
    pub(super) folder: Option<PathBuf>,
}

/// One definition as written.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) value: Value,
    /// `None`: it came without a file, so it has no lines.
    pub(super) origin: Option<Origin>,
}

/// Where a definition was written.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub(super) file: String,
    pub(super) line: u64,
    pub(super) node: Node,
}

/// A text to be read, with the name that problems give it.
#[derive(Clone, Debug)]
pub struct Source {
    /// The name of the file. Ends in `.json` where JSON's own escapes are to be understood.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl Draft {
    /// Reads a file, or every `*.yaml`, `*.yml` and `*.json` right in a folder, in the order of their names. Hidden
    /// files are passed over. A file may hold several documents.
    ///
    /// # Errors
    /// Everything about the files that cannot be read, each with file and line: broken YAML, duplicate keys, kinds
    /// that there are not, one definition written twice, sizes past the bounds of this module.
    pub fn read(path: &Path) -> Result<Self, Vec<Problem>> {
        let folder = path.canonicalize().map_err(|error| vec![unreadable(path, &error)])?;
        let mut draft = Self::parse(Self::sources(path)?)?;
        draft.folder = if folder.is_dir() { Some(folder) } else { folder.parent().map(Path::to_owned) };
        Ok(draft)
    }

    /// The texts that [`Draft::read`] reads there.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn sources(path: &Path) -> Result<Vec<Source>, Vec<Problem>> {
        let folder = path.canonicalize().map_err(|error| vec![unreadable(path, &error)])?;
        if folder.is_dir() { read_folder(path, &folder) } else { read_file(path, path).map(|source| vec![source]) }
    }

    /// Reads texts.
    ///
    /// # Errors
    /// As [`Draft::read`].
    pub fn parse(sources: impl IntoIterator<Item = Source>) -> Result<Self, Vec<Problem>> {
        let mut draft = Self::default();
        let mut problems = Vec::new();
        for source in sources {
            let in_file = |mut problem: Problem| {
                problem.file = Some(source.name.clone());
                problem
            };
            let documents = decode(&source).map_err(|problem| vec![problem]).and_then(|text| yaml::read(&text));
            match documents {
                Err(found) => problems.extend(found.into_iter().map(in_file)),
                Ok(documents) => {
                    let mut found = Vec::new();
                    for document in documents {
                        draft.gather(document, &source.name, &mut found);
                    }
                    problems.extend(found.into_iter().map(in_file));
                }
            }
        }
        if problems.is_empty() { Ok(draft) } else { Err(problems) }
    }

    /// Takes definitions as they are: objects by name, by kind. They have no lines.
    ///
    /// # Errors
    /// Kinds that there are not, kinds that are no objects, and what is nested too deep to be written as a file.
    pub fn from_values(kinds: Map<String, Value>) -> Result<Self, Vec<Problem>> {
        let mut draft = Self::default();
        let mut problems = Vec::new();
        for (word, names) in kinds {
            let Some(kind) = Kind::from_word(&word) else {
                problems.push(kind::unknown(&word).at(word));
                continue;
            };
            let Value::Object(names) = names else {
                let reason = format!("this is {}, not an object of definitions by name", kind_of(&names));
                problems.push(Problem::new("wrong_type", reason).at(word));
                continue;
            };
            for (name, value) in names {
                problems.extend(draft.add(kind, &name, value).err());
            }
        }
        if problems.is_empty() { Ok(draft) } else { Err(problems) }
    }

    /// Takes one definition as it is.
    ///
    /// # Errors
    /// `yaml_too_deep`: it could not be written as a file.
    pub fn one(kind: Kind, name: &str, value: Value) -> Result<Self, Problem> {
        let mut draft = Self::default();
        draft.add(kind, name, value)?;
        Ok(draft)
    }

    fn add(&mut self, kind: Kind, name: &str, value: Value) -> Result<(), Problem> {
        // Two are the objects of kinds and of names around it.
        if yaml::depth_of_value(&value) + 2 > yaml::MAX_DEPTH {
            let reason = format!("lists and objects stand more than {} deep in each other", yaml::MAX_DEPTH);
            return Err(Problem::new("yaml_too_deep", reason).at(format!("{kind}.{name}")));
        }
        self.entries.insert((kind, name.to_owned()), Entry { value, origin: None });
        Ok(())
    }

    /// Takes relative file paths from this folder.
    #[must_use]
    pub fn in_folder(mut self, folder: PathBuf) -> Self {
        self.folder = Some(folder);
        self
    }

    /// What is defined, by kind and name, as it is written.
    pub fn values(&self) -> impl Iterator<Item = (Kind, &str, &Value)> {
        self.entries.iter().map(|((kind, name), entry)| (*kind, name.as_str(), &entry.value))
    }

    /// Changes definitions before anything is made of them.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = (Kind, &str, &mut Value)> {
        self.entries.iter_mut().map(|((kind, name), entry)| (*kind, name.as_str(), &mut entry.value))
    }

    /// The names that are defined, by kind.
    pub fn names(&self) -> impl Iterator<Item = (Kind, &str)> {
        self.entries.keys().map(|(kind, name)| (*kind, name.as_str()))
    }

    /// Takes relative file paths from the folder of the files. A path that begins with a variable is left to it.
    pub(super) fn anchor_paths(&mut self, registry: &Registry) -> Result<(), Vec<Problem>> {
        let Some(folder) = &self.folder else { return Ok(()) };
        for ((kind, _), entry) in &mut self.entries {
            for place in shape::paths(*kind, &entry.value, registry) {
                let option = entry.value.pointer_mut(&format!("/{}", place.replace('.', "/")));
                let Some(Value::String(path)) = option else { continue };
                if path.is_empty() || path.starts_with("${") {
                    continue;
                }
                // Without the steps that lead nowhere (`./`), so that one file has one name.
                let anchored: PathBuf = folder.join(&*path).components().collect();
                *path = anchored
                    .into_os_string()
                    .into_string()
                    .map_err(|_| vec![in_file("not_utf8", folder, "the name of this folder is no UTF-8".to_owned())])?;
            }
        }
        Ok(())
    }

    /// Takes the definitions out of a document.
    fn gather(&mut self, document: Node, file: &str, problems: &mut Vec<Problem>) {
        let Some(kinds) = members("", document, problems) else { return };
        for Member { key, line, value } in kinds {
            let Some(kind) = Kind::from_word(&key) else {
                problems.push(kind::unknown(&key).at(key).line(line));
                continue;
            };
            for Member { key: name, line, value: node } in members(&key, value, problems).unwrap_or_default() {
                let entry =
                    Entry { value: node.to_value(), origin: Some(Origin { file: file.to_owned(), line, node }) };
                let first = self.entries.get(&(kind, name.clone())).and_then(|entry| entry.origin.as_ref());
                if let Some(Origin { file, line: there, .. }) = first {
                    problems.push(
                        Problem::new("defined_twice", format!("already defined in {file}, line {there}"))
                            .at(format!("{kind}.{name}"))
                            .line(line)
                            .hint("keep one of them, or give one another name"),
                    );
                    continue;
                }
                self.entries.insert((kind, name), entry);
            }
        }
    }
}

/// The members of an object; none of an empty document or kind.
fn members(place: &str, node: Node, problems: &mut Vec<Problem>) -> Option<Vec<Member>> {
    match node.content {
        Content::Object(members) => Some(members),
        Content::Scalar(Value::Null) => None,
        other => {
            let is = match &other {
                Content::Scalar(value) => kind_of(value),
                _ => "a list",
            };
            let problem = if place.is_empty() {
                Problem::new("no_definitions", format!("this is {is}, not an object of definitions by kind"))
                    .hint("begin with http_clients, incoming, outgoing or routes; keep data files in another folder")
            } else {
                Problem::new("wrong_type", format!("this is {is}, not an object of definitions by name")).at(place)
            };
            problems.push(problem.line(node.line));
            None
        }
    }
}

fn read_folder(shown: &Path, folder: &Path) -> Result<Vec<Source>, Vec<Problem>> {
    let entries = std::fs::read_dir(folder).map_err(|error| vec![unreadable(shown, &error)])?;
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(|error| vec![unreadable(shown, &error)])?.file_name();
        let is_definitions =
            Path::new(&name).extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known))
                && !name.as_encoded_bytes().starts_with(b".");
        if is_definitions {
            names.push(name);
        }
    }
    names.sort();
    if names.is_empty() {
        return Err(vec![
            in_file("no_definitions", shown, "there is no definitions file in this folder".to_owned())
                .hint("definitions are files that end in .yaml, .yml or .json, right in the folder"),
        ]);
    }
    if names.len() > MAX_FILES {
        let reason = format!("there are {} definitions files in this folder, more than {MAX_FILES}", names.len());
        return Err(vec![in_file("files_too_many", shown, reason)]);
    }
    let mut sources = Vec::new();
    let mut problems = Vec::new();
    let mut bytes = 0;
    for name in names {
        match read_inside(folder, &folder.join(&name), &shown.join(&name)) {
            Ok(source) => {
                bytes += source.bytes.len();
                sources.push(source);
            }
            Err(found) => problems.extend(found),
        }
        if bytes > MAX_BYTES {
            let reason = format!("the definitions files hold more than {} MiB together", MAX_BYTES >> 20);
            problems.push(in_file("files_too_large", shown, reason));
            break;
        }
    }
    if problems.is_empty() { Ok(sources) } else { Err(problems) }
}

/// Reads a file that really stands in the folder: a link must not pull other files in.
fn read_inside(folder: &Path, file: &Path, shown: &Path) -> Result<Source, Vec<Problem>> {
    let real = file.canonicalize().map_err(|error| vec![unreadable(shown, &error)])?;
    if !real.starts_with(folder) {
        let reason = "this is a link out of the folder and is not followed".to_owned();
        return Err(vec![in_file("file_outside", shown, reason).hint("put the file itself into the folder")]);
    }
    read_file(&real, shown)
}

fn read_file(path: &Path, shown: &Path) -> Result<Source, Vec<Problem>> {
    let fail = |error: std::io::Error| vec![unreadable(shown, &error)];
    // Asked before it is opened: opening a pipe waits for its other end.
    if !path.metadata().map_err(fail)?.is_file() {
        return Err(vec![in_file("file_unreadable", shown, "this is no regular file".to_owned())]);
    }
    let mut bytes = Vec::new();
    File::open(path).map_err(fail)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        let reason = format!("this file is larger than {} MiB", MAX_FILE_BYTES >> 20);
        return Err(vec![in_file("file_too_large", shown, reason).hint("keep data in files of its own")]);
    }
    Ok(Source { name: shown.display().to_string(), bytes })
}

fn in_file(code: &'static str, file: &Path, reason: String) -> Problem {
    let mut problem = Problem::new(code, reason);
    problem.file = Some(file.display().to_string());
    problem
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    let reason = match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file or folder".to_owned(),
        std::io::ErrorKind::PermissionDenied => "this may not be read".to_owned(),
        _ => error.to_string().to_lowercase(),
    };
    in_file("file_unreadable", path, reason)
}

/// Bytes to text: UTF-8 without control characters, which YAML forbids and the parser would take for an end.
fn decode(source: &Source) -> Result<String, Problem> {
    if source.bytes.starts_with(&[0xFF, 0xFE]) || source.bytes.starts_with(&[0xFE, 0xFF]) {
        return Err(Problem::new("not_utf8", "this file is UTF-16").line(1).hint("save it as UTF-8"));
    }
    let text = std::str::from_utf8(&source.bytes).map_err(|error| {
        let before = &source.bytes[..error.valid_up_to()];
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
        Problem::new("not_utf8", format!("byte {column} of this line is no UTF-8"))
            .line(line_at(before))
            .hint("save the file as UTF-8")
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some(at) = text.find(|letter: char| letter.is_control() && !matches!(letter, '\t' | '\n' | '\r' | '\u{85}'))
    {
        let code = text[at..].chars().next().map_or(0, u32::from);
        return Err(Problem::new(
            "control_character",
            format!("there is a control character (U+{code:04X}) in this line"),
        )
        .line(line_at(&text.as_bytes()[..at]))
        .hint("write it as an escape in a double-quoted text, for example \"\\u0000\""));
    }
    Ok(if source.name.ends_with(".json") { join_surrogates(text) } else { text.to_owned() })
}

fn line_at(before: &[u8]) -> u64 {
    before.iter().filter(|byte| **byte == b'\n').count() as u64 + 1
}

/// JSON writes letters past U+FFFF as two escapes (`\ud83d\ude00`), which YAML does not know. In JSON a backslash
/// stands in texts alone, so the letter itself can be put in their place.
fn join_surrogates(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        joined.push_str(before);
        let unit = |from: usize| {
            let digits = escape.get(from..from + 6)?.strip_prefix("\\u")?;
            u16::from_str_radix(digits, 16).ok()
        };
        let pair = unit(0).zip(unit(6)).and_then(|(high, low)| char::decode_utf16([high, low]).next()?.ok());
        match pair.filter(|letter| u32::from(*letter) > 0xFFFF) {
            Some(letter) => {
                joined.push(letter);
                rest = &escape[12..];
            }
            None => {
                // The backslash and what it escapes, so that an escaped backslash begins nothing.
                let length = 1 + escape[1..].chars().next().map_or(0, char::len_utf8);
                joined.push_str(&escape[..length]);
                rest = &escape[length..];
            }
        }
    }
    joined.push_str(rest);
    joined
}
