//! `docs/errors/`: a page for each problem code, from the table that people write (`docs/errors.md`) and from what the
//! sources say where they raise it. A code without a line in the table is an error, and so is a line without a code.

use crate::generated::{self, in_repository, read};
use anyhow::{Context, Result, bail};
use clap::Args;
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

const TABLE: &str = "docs/errors.md";
const PAGES: &str = "docs/errors";
/// A hint stands this near behind the code that it belongs to, in letters.
const NEAR: usize = 700;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Writes nothing; fails where a page is not what would be written
    #[arg(long)]
    check: bool,
}

/// What the table says of a code, in one place or several.
#[derive(Default)]
struct Line {
    sections: Vec<String>,
    meanings: Vec<String>,
}

/// What the sources say where they raise a code.
#[derive(Default)]
struct Raised {
    reasons: BTreeSet<String>,
    hints: BTreeSet<String>,
    crates: BTreeSet<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<String> {
    let table = table(&read(&in_repository(TABLE))?)?;
    let mut raised = raised()?;
    // Some are chosen before they are raised: then the sources say the word, and not much more of it in one place.
    for path in sources()? {
        let source = product_of(&read(&path)?);
        for code in table.keys().filter(|code| source.contains(&format!("\"{code}\""))) {
            raised.entry(code.clone()).or_default().crates.insert(crate_of(&path)?);
        }
    }
    let unsaid: Vec<&str> = raised.keys().filter(|code| !table.contains_key(*code)).map(String::as_str).collect();
    if !unsaid.is_empty() {
        bail!("{TABLE} has no line for: {}", unsaid.join(", "));
    }
    let unused: Vec<&str> = table.keys().filter(|code| !raised.contains_key(*code)).map(String::as_str).collect();
    if !unused.is_empty() {
        bail!("nothing raises what {TABLE} explains: {}", unused.join(", "));
    }
    if !arguments.check {
        fs::create_dir_all(in_repository(PAGES))?;
    }
    for (code, line) in &table {
        let text = page(code, line, &raised[code]);
        generated::write(&format!("{PAGES}/{code}.md"), &text, arguments.check)?;
    }
    let done = if arguments.check { "up to date" } else { "written" };
    for page in fs::read_dir(in_repository(PAGES))? {
        let path = page?.path();
        if path.file_stem().is_some_and(|code| !table.contains_key(&*code.to_string_lossy())) {
            match arguments.check {
                true => bail!("{} is the page of no code", path.display()),
                false => fs::remove_file(&path)?,
            }
        }
    }
    Ok(format!("{PAGES}: {} pages {done}", table.len()))
}

fn table(text: &str) -> Result<BTreeMap<String, Line>> {
    let row = Regex::new(r"^\| ((?:`[a-zN0-9_]+`(?:, )?)+) \| (.+) \|$")?;
    let code = Regex::new("`([a-zN0-9_]+)`")?;
    let mut section = String::new();
    let mut lines: BTreeMap<String, Line> = BTreeMap::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            title.clone_into(&mut section);
        } else if let Some(found) = row.captures(line) {
            for code in code.captures_iter(&found[1]) {
                // A code may mean much the same in two places.
                let line: &mut Line = lines.entry(code[1].to_owned()).or_default();
                line.sections.push(section.clone());
                line.meanings.push(found[2].to_owned());
            }
        }
    }
    Ok(lines)
}

/// Every code in the sources of the product.
fn raised() -> Result<BTreeMap<String, Raised>> {
    let text = r#"(?:format!\(\s*)?"((?:[^"\\]|\\.)*)""#;
    let code = Regex::new(&format!(r#"Problem::new\(\s*(?:"([a-z0-9_]+)"|([A-Za-z_:]+))\s*,\s*(?:{text})?"#))?;
    let other = Regex::new(
        r#"(?s)(?:code|CODE|Refused::not_found|finding|Finding::new|misplaced|problem)\w*\(\s*"([a-z0-9]+_[a-z0-9_]+)""#,
    )?;
    let constant = Regex::new(r#"(?:pub )?const ([A-Z_]+): &str = "([a-z0-9]+_[a-z0-9_]+)";"#)?;
    let hint = Regex::new(&format!(r"\.hint\(\s*{text}"))?;
    let mut all: BTreeMap<String, Raised> = BTreeMap::new();
    for path in sources()? {
        let source = product_of(&read(&path)?);
        let mut found: Vec<(usize, String, Option<String>)> = Vec::new();
        for one in code.captures_iter(&source) {
            let at = one.get(0).map_or(0, |all| all.end());
            if let Some(code) = one.get(1) {
                // The status is put behind it.
                let code = if code.as_str() == "http" { "http_NNN" } else { code.as_str() };
                found.push((at, code.to_owned(), one.get(3).map(|text| text.as_str().to_owned())));
            }
        }
        for one in other.captures_iter(&source) {
            found.push((one.get(0).map_or(0, |all| all.end()), one[1].to_owned(), None));
        }
        for one in constant.captures_iter(&source).filter(|one| path.ends_with("schema.rs") && !one[2].is_empty()) {
            found.push((one.get(0).map_or(0, |all| all.end()), one[2].to_owned(), None));
        }
        found.sort();
        for (index, (at, code, reason)) in found.iter().enumerate() {
            let end = found.get(index + 1).map_or(source.len(), |next| next.0).min(at + NEAR).min(source.len());
            let raised = all.entry(code.clone()).or_default();
            raised.crates.insert(crate_of(&path)?);
            raised.reasons.extend(reason.clone().filter(|text| !text.is_empty()).map(|text| spoken(&text)));
            let behind = source.get(*at..end).unwrap_or_default();
            raised.hints.extend(hint.captures_iter(behind).take(1).map(|found| spoken(&found[1])));
        }
    }
    Ok(all)
}

/// The sources, without tests.
fn sources() -> Result<Vec<PathBuf>> {
    let mut folders: Vec<PathBuf> = Vec::new();
    for one in fs::read_dir(in_repository("crates"))? {
        folders.push(one?.path().join("src"));
    }
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            match path.is_dir() {
                true => folders.push(path),
                false if is_source(&path) => files.push(path),
                false => {}
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The crate that a source belongs to.
fn crate_of(path: &Path) -> Result<String> {
    let name = path.strip_prefix(in_repository("crates"))?.iter().next().unwrap_or_default();
    Ok(name.to_string_lossy().into_owned())
}

fn is_source(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".rs") && !name.ends_with("_tests.rs") && name != "tests.rs"
}

/// What comes before the tests in a file.
fn product_of(source: &str) -> String {
    source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned()
}

/// A text of the sources as people read it: what stands for a value is in angle brackets.
fn spoken(text: &str) -> String {
    let slot = Regex::new(r"\{([A-Za-z_.()]*)(?::[^}]*)?\}");
    let plain = text.replace("\\\"", "\"").replace("{{", "\u{1}").replace("}}", "\u{2}");
    let spoken = match slot {
        Ok(slot) => slot.replace_all(&plain, |found: &regex::Captures<'_>| {
            let name = found[1].rsplit('.').next().unwrap_or_default().trim_end_matches("()").to_owned();
            if name.is_empty() { "…".to_owned() } else { format!("<{name}>") }
        }),
        Err(_) => plain.as_str().into(),
    };
    let lines: Vec<&str> = spoken.split('\n').map(|line| line.trim().trim_end_matches('\\').trim_end()).collect();
    lines.join(" ").replace('\u{1}', "{").replace('\u{2}', "}")
}

fn page(code: &str, line: &Line, raised: &Raised) -> String {
    let mut text = format!("# {code}\n\n{}.\n", capitalised(&line.meanings.join(". ")));
    let mut list = |title: &str, items: &BTreeSet<String>| {
        if !items.is_empty() {
            let _ = write!(text, "\n{title}\n\n");
            for item in items {
                let _ = writeln!(text, "- {item}");
            }
        }
    };
    list("It is said as:", &raised.reasons);
    list("What to do:", &raised.hints);
    let crates: Vec<&str> = raised.crates.iter().map(String::as_str).collect();
    let (sections, crates) = (line.sections.join("; "), crates.join(", "));
    let _ = write!(text, "\n{sections}. Raised by: {crates}. [All codes](../errors.md)\n");
    text
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
