//! Writing a generated file, or checking that it is what would be written.

use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// Most lines that a check shows.
const MAX_SHOWN: usize = 20;

/// Longest piece of a line that a check shows, in letters.
const MAX_WIDTH: usize = 160;

/// A place in the repository, wherever the command was called from.
pub(crate) fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// A text file of this repository or one named by the caller.
pub(crate) fn read(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    String::from_utf8(bytes).with_context(|| format!("{} is not UTF-8", path.display()))
}

/// Writes the text to the file; with `check`, compares instead and fails where they differ. Says what was done.
pub(crate) fn write(path: &str, text: &str, check: bool) -> Result<String> {
    let place = in_repository(path);
    if !check {
        fs::write(&place, text).with_context(|| format!("cannot write {}", place.display()))?;
        return Ok(format!("{path}: written, {} bytes", text.len()));
    }
    let present = read(&place)?;
    if present == text {
        return Ok(format!("{path}: up to date"));
    }
    bail!("{path} is not what would be written:\n{}", differences(&present, text).join("\n"))
}

/// The lines that only one of two texts has; each line stands for one fact, so their order says little.
fn differences(present: &str, wanted: &str) -> Vec<String> {
    let only = |one: &str, other: &str, mark: char| -> Vec<String> {
        let other: std::collections::HashSet<&str> = other.lines().collect();
        let lines = one.lines().filter(|line| !other.contains(line));
        lines.map(|line| format!("{mark} {}", line.chars().take(MAX_WIDTH).collect::<String>())).collect()
    };
    let mut all = only(present, wanted, '-');
    all.extend(only(wanted, present, '+'));
    if all.is_empty() {
        all.push("the same lines in another order, or another number of them".to_owned());
    }
    let more = all.len().saturating_sub(MAX_SHOWN);
    all.truncate(MAX_SHOWN);
    if more > 0 {
        all.push(format!("and {more} more"));
    }
    all
}
