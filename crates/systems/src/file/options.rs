//! What people write beside `type: file`, checked without touching the disk.

use model::Problem;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// The default of `max_line_bytes`: 16 MiB.
pub(super) const MAX_LINE_BYTES: u32 = 16 << 20;

/// The largest `max_line_bytes`: 1 GiB. A row is held in memory whole.
const MOST_LINE_BYTES: u32 = 1 << 30;

/// Reads a file row by row: JSONL, a JSON list, or CSV.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SubscriberOptions {
    /// The file. A relative path begins at the folder of the definitions.
    #[schemars(length(min = 1))]
    path: String,
    /// How the file is written. By default its extension says it: `.jsonl` and `.ndjson`, `.json`, `.csv` and `.tsv`.
    #[serde(default)]
    format: Option<Format>,
    /// How the CSV is written.
    #[serde(default)]
    csv: Option<CsvOptions>,
    /// The longest row that is read, in bytes: a line of JSONL, an element of a JSON list, a record of CSV. What is
    /// longer fails as `row_too_large`.
    #[serde(default = "max_line_bytes")]
    #[schemars(range(min = 1, max = MOST_LINE_BYTES))]
    max_line_bytes: u32,
}

fn max_line_bytes() -> u32 {
    MAX_LINE_BYTES
}

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Format {
    /// One JSON value a line; empty lines are passed over.
    Jsonl,
    /// One list, each element a row; or one object, which is the only row.
    Json,
    /// Records of texts, by the names in the header; empty lines are passed over.
    Csv,
}

/// How CSV is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CsvOptions {
    /// What stands between two cells, one ASCII character: `,` by default, a tab for `.tsv`.
    #[serde(default)]
    #[schemars(length(min = 1, max = 1))]
    delimiter: Option<String>,
    /// What stands around a cell that holds the delimiter, a quote (written twice) or a line break.
    #[serde(default = "quote")]
    #[schemars(length(min = 1, max = 1))]
    quote: String,
    /// `true`: the first record has the names. A list: these are the names, and the first record is data.
    #[serde(default)]
    header: Header,
    /// A cell with exactly this text becomes `null`, for example `""` or `NULL`. By default every cell is a text.
    #[serde(default)]
    null: Option<String>,
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self { delimiter: None, quote: quote(), header: Header::default(), null: None }
    }
}

fn quote() -> String {
    "\"".to_owned()
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Header {
    FirstRecord(bool),
    Names(Vec<String>),
}

impl Default for Header {
    fn default() -> Self {
        Self::FirstRecord(true)
    }
}

/// Appends JSONL: one compact JSON value a line.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PublisherOptions {
    /// The file; it and its folder are made if they are missing. A relative path begins at the folder of the
    /// definitions.
    #[schemars(length(min = 1))]
    path: String,
    /// How the file is written. `.jsonl` and `.ndjson` need not say it.
    #[serde(default)]
    format: Option<WrittenFormat>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum WrittenFormat {
    /// One JSON value a line.
    Jsonl,
}

/// A subscriber's options, checked.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) path: PathBuf,
    pub(super) shape: Shape,
    pub(super) max_row: usize,
}

/// What the rows are made of.
#[derive(Debug)]
pub(super) enum Shape {
    Lines,
    Elements,
    Records(Dialect),
}

/// How CSV is written, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dialect {
    pub(super) delimiter: u8,
    pub(super) quote: u8,
    /// `None`: the first record has the names.
    pub(super) names: Option<Vec<String>>,
    pub(super) null: Option<String>,
}

/// Checks a subscriber's options.
pub(super) fn subscriber(options: &Value) -> Result<Reading, Vec<Problem>> {
    let options: SubscriberOptions = read(options)?;
    let mut problems: Vec<Problem> = check_path(&options.path).into_iter().collect();
    if !(1..=MOST_LINE_BYTES).contains(&options.max_line_bytes) {
        problems.push(
            Problem::new("file_limit", format!("the limit of a row lies between 1 and {MOST_LINE_BYTES} bytes"))
                .at("max_line_bytes"),
        );
    }
    let format = options.format.or_else(|| by_extension(&options.path));
    if format.is_none() {
        problems.push(
            Problem::new("file_format", "the extension of the path does not say how the file is written")
                .at("format")
                .hint("add `format: jsonl`, `format: json` or `format: csv`"),
        );
    }
    if options.csv.is_some() && format.is_some_and(|format| format != Format::Csv) {
        problems.push(
            Problem::new("file_format", "these options are for csv, and the file is not read as csv")
                .at("csv")
                .hint("leave them out or add `format: csv`"),
        );
    }
    let dialect = dialect(options.csv.unwrap_or_default(), &options.path);
    match (format, dialect) {
        (Some(format), Ok(dialect)) if problems.is_empty() => Ok(Reading {
            path: PathBuf::from(options.path),
            shape: match format {
                Format::Jsonl => Shape::Lines,
                Format::Json => Shape::Elements,
                Format::Csv => Shape::Records(dialect),
            },
            max_row: options.max_line_bytes as usize,
        }),
        (_, dialect) => {
            problems.extend(dialect.err().unwrap_or_default());
            Err(problems)
        }
    }
}

/// Checks a publisher's options and gives the file's path.
pub(super) fn publisher(options: &Value) -> Result<PathBuf, Vec<Problem>> {
    let options: PublisherOptions = read(options)?;
    let mut problems: Vec<Problem> = check_path(&options.path).into_iter().collect();
    if options.format.is_none() && by_extension(&options.path) != Some(Format::Jsonl) {
        problems.push(
            Problem::new("file_format", "the path does not end in .jsonl, and jsonl is what is written")
                .at("format")
                .hint("name the file .jsonl, or add `format: jsonl`"),
        );
    }
    if problems.is_empty() { Ok(PathBuf::from(options.path)) } else { Err(problems) }
}

fn read<T: serde::de::DeserializeOwned>(options: &Value) -> Result<T, Vec<Problem>> {
    T::deserialize(options).map_err(|error| vec![Problem::new("file_options", error.to_string())])
}

fn check_path(path: &str) -> Option<Problem> {
    let reason = if path.is_empty() {
        "the path is empty"
    } else if path.contains('\0') {
        "the path has a zero byte"
    } else if path.ends_with(['/', '\\']) || Path::new(path).file_name().is_none() {
        "the path names a folder, not a file"
    } else {
        return None;
    };
    Some(Problem::new("file_path", reason).at("path"))
}

fn by_extension(path: &str) -> Option<Format> {
    match extension(path).as_str() {
        "jsonl" | "ndjson" => Some(Format::Jsonl),
        "json" => Some(Format::Json),
        "csv" | "tsv" => Some(Format::Csv),
        _ => None,
    }
}

fn extension(path: &str) -> String {
    Path::new(path).extension().and_then(|end| end.to_str()).unwrap_or_default().to_ascii_lowercase()
}

fn dialect(options: CsvOptions, path: &str) -> Result<Dialect, Vec<Problem>> {
    let tab = extension(path) == "tsv";
    let delimiter = options.delimiter.unwrap_or_else(|| if tab { "\t" } else { "," }.to_owned());
    let mut problems = Vec::new();
    for (place, text) in [("csv.delimiter", &delimiter), ("csv.quote", &options.quote)] {
        if text.len() != 1 || !text.is_ascii() || text.contains(['\n', '\r', '\0']) {
            problems.push(
                Problem::new("csv_option", format!("{text:?} is not one ASCII character that can stand in a line"))
                    .at(place),
            );
        }
    }
    if problems.is_empty() && delimiter == options.quote {
        problems.push(Problem::new("csv_option", "the delimiter and the quote are the same").at("csv.quote"));
    }
    let names = match options.header {
        Header::FirstRecord(true) => None,
        Header::FirstRecord(false) => {
            problems.push(
                Problem::new("csv_header", "without a header in the file its names must stand here")
                    .at("csv.header")
                    .hint("write them as a list: `header: [sku, name]`"),
            );
            None
        }
        Header::Names(names) => {
            problems.extend(check_names(&names).map(|reason| Problem::new("csv_header", reason).at("csv.header")));
            Some(names)
        }
    };
    if !problems.is_empty() {
        return Err(problems);
    }
    let (delimiter, quote) = (delimiter.as_bytes()[0], options.quote.as_bytes()[0]);
    Ok(Dialect { delimiter, quote, names, null: options.null })
}

/// Why these cannot be the names of a record's cells.
pub(super) fn check_names(names: &[String]) -> Option<String> {
    if names.is_empty() {
        return Some("the header has no names".to_owned());
    }
    let mut seen = HashSet::new();
    let twice = names.iter().find(|name| !seen.insert(name.as_str()))?;
    Some(format!("the header has the name {twice:?} twice"))
}
