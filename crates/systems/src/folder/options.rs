//! What people write beside `type: folder`, checked without touching the disk.

use globset::{Glob, GlobBuilder, GlobMatcher, GlobSet, GlobSetBuilder};
use model::Problem;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The default of `max_bytes`: 512 MiB, the longest file that the service takes.
const MAX_BYTES: u64 = 512 << 20;

/// The largest `max_bytes`: 1 TiB.
const MOST_BYTES: u64 = 1 << 40;

/// Names of files that are hidden, half-written, or locks of an office program.
const EXCLUDED: [&str; 7] = [".*", "*.part", "*.filepart", "*.crdownload", "*.tmp", "*~", "~$*"];

/// Takes in the files of a folder, each as a payload that names it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FolderOptions {
    /// The folder. A relative path begins at the folder of the definitions.
    #[schemars(length(min = 1))]
    path: String,
    /// Which files, by their path within the folder: `*` matches within a name, `**` also sub-folders (`**/*.pdf`),
    /// `{a,b}` either, `?` and `[a-z]` one ASCII character. Capital letters are told from small ones.
    #[serde(default = "every")]
    #[schemars(length(min = 1))]
    glob: String,
    /// Names of files and sub-folders that are left out, as globs. A list of one's own takes the place of the default;
    /// an empty one leaves nothing out.
    #[serde(default = "excluded")]
    exclude: Vec<String>,
    /// The longest file that is taken in, in bytes. What is longer fails as `file_too_large`.
    #[serde(default = "max_bytes")]
    #[schemars(range(min = 1, max = MOST_BYTES))]
    max_bytes: u64,
}

fn every() -> String {
    "*".to_owned()
}

fn excluded() -> Vec<String> {
    EXCLUDED.map(str::to_owned).to_vec()
}

fn max_bytes() -> u64 {
    MAX_BYTES
}

/// Which files of which folder.
#[derive(Debug)]
pub(super) struct Selection {
    pub(super) folder: PathBuf,
    pub(super) max_bytes: u64,
    /// How many folders down a file that matches can lie.
    pub(super) depth: usize,
    glob: GlobMatcher,
    exclude: GlobSet,
}

impl Selection {
    /// Whether a file is meant, by its path within the folder.
    pub(super) fn takes(&self, relative: &Path) -> bool {
        self.glob.is_match(relative)
    }

    /// Whether a file or sub-folder is left out, by its name.
    pub(super) fn leaves_out(&self, name: &Path) -> bool {
        self.exclude.is_match(name)
    }
}

/// Checks the options.
pub(super) fn selection(options: &Value) -> Result<Selection, Vec<Problem>> {
    let options =
        FolderOptions::deserialize(options).map_err(|error| vec![Problem::new("file_options", error.to_string())])?;
    let mut problems = Vec::new();
    if options.path.is_empty() || options.path.contains('\0') {
        let reason = if options.path.is_empty() { "the path is empty" } else { "the path has a zero byte" };
        problems.push(Problem::new("file_path", reason).at("path"));
    }
    if !(1..=MOST_BYTES).contains(&options.max_bytes) {
        let reason = format!("the limit of a file lies between 1 and {MOST_BYTES} bytes");
        problems.push(Problem::new("file_limit", reason).at("max_bytes"));
    }
    let glob = files(&options.glob).map_err(|problem| problems.push(problem.at("glob")));
    let exclude = names(&options.exclude).map_err(|problem| problems.push(problem));
    match (glob, exclude) {
        (Ok(glob), Ok(exclude)) if problems.is_empty() => Ok(Selection {
            folder: PathBuf::from(options.path),
            max_bytes: options.max_bytes,
            depth: depth(&options.glob),
            glob: glob.compile_matcher(),
            exclude,
        }),
        _ => Err(problems),
    }
}

/// The glob of the files. One that can match nothing is a mistake, not an empty folder.
fn files(text: &str) -> Result<Glob, Problem> {
    let outside = |part: &str| matches!(part, "" | "." | "..");
    if text.split('/').any(outside) {
        return Err(Problem::new("folder_glob", format!("`{text}` can match no file"))
            .hint("write the path within the folder: `*.pdf`, `invoices/*.pdf`, `**/*.pdf`"));
    }
    glob(text)
}

fn names(texts: &[String]) -> Result<GlobSet, Problem> {
    let mut set = GlobSetBuilder::new();
    for (index, text) in texts.iter().enumerate() {
        let place = format!("exclude[{index}]");
        if text.is_empty() || text.contains('/') {
            let reason = "a name is left out, wherever it lies: it has no `/` in it and is not empty";
            return Err(Problem::new("folder_glob", reason).at(place));
        }
        set.add(glob(text).map_err(|problem| problem.at(place))?);
    }
    set.build().map_err(|error| Problem::new("folder_glob", error.to_string()).at("exclude"))
}

fn glob(text: &str) -> Result<Glob, Problem> {
    let glob = GlobBuilder::new(text).literal_separator(true).backslash_escape(true).build();
    glob.map_err(|error| Problem::new("folder_glob", error.to_string()))
}

/// How many folders down the glob reaches; sub-folders below it are not listed.
fn depth(glob: &str) -> usize {
    if glob.contains("**") { usize::MAX } else { glob.matches('/').count() }
}
