//! A bundle: definitions that come in a request, as files or as objects.

use super::super::Shared;
use super::noted::{Noted, noted};
use super::plans::{Change, wrong};
use super::problem::Refused;
use axum::http::StatusCode;
use engine::definitions::{Draft, MAX_FILE_BYTES, MAX_FILES, Source};
use model::Problem;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// The largest body with a bundle, in bytes.
pub(super) const LARGEST: usize = 8 << 20;
/// The longest name of a file, in bytes.
const LONGEST_NAME: usize = 255;
/// The longest reason of a change, in bytes.
const LONGEST_WHY: usize = 1_000;

/// Definitions, as files or as objects.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Bundle {
    /// Texts of YAML or JSON. Either these or `definitions`.
    #[serde(default)]
    pub(super) files: Option<Vec<BundleFile>>,
    /// Objects by kind and name: `{"routes": {"describe": {…}}}`.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub(super) definitions: Option<Map<String, Value>>,
    /// Deletes what the bundle lacks.
    #[serde(default)]
    pub(super) prune: bool,
    /// Cancels the open tasks of what is deleted.
    #[serde(default)]
    pub(super) cancel_open: bool,
    /// Refused where the definitions are at another revision by now.
    #[serde(default)]
    pub(super) expected_revision: Option<i64>,
    /// Why, for those who look at the revision later.
    #[serde(default)]
    #[schema(max_length = 1000)]
    pub(super) why: Option<String>,
}

/// A file of definitions.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BundleFile {
    /// What problems call it; nothing is read or written under it.
    pub(super) name: String,
    /// What is in it.
    pub(super) text: String,
}

impl Bundle {
    /// What it wishes for.
    pub(super) fn change(&self, shared: &Shared) -> Result<Change, Refused> {
        refuse_long(self.why.as_deref())?;
        Ok(Change::Draft { draft: self.draft(shared).map_err(wrong)?, prune: self.prune })
    }

    /// Its definitions. Relative paths are taken from the first of the server's file roots.
    pub(super) fn draft(&self, shared: &Shared) -> Result<Draft, Vec<Noted>> {
        let one = |code, reason: &str| vec![Problem::new(code, reason)];
        let draft = match (&self.files, &self.definitions) {
            (Some(files), None) => parsed(files),
            (None, Some(definitions)) => Draft::from_values(definitions.clone()),
            _ => Err(one("body_wrong", "a bundle has either files or definitions")),
        };
        let draft = draft.map_err(|problems| noted(problems, &[]))?;
        Ok(rooted(draft, shared))
    }
}

/// Takes relative paths from the first of the server's file roots.
pub(super) fn rooted(draft: Draft, shared: &Shared) -> Draft {
    match shared.file_roots.first() {
        Some(root) => draft.in_folder(root.clone()),
        None => draft,
    }
}

fn parsed(files: &[BundleFile]) -> Result<Draft, Vec<Problem>> {
    if files.len() > MAX_FILES {
        let reason = format!("there are {} files, more than {MAX_FILES}", files.len());
        return Err(vec![Problem::new("files_too_many", reason)]);
    }
    for (at, file) in files.iter().enumerate() {
        let is_name =
            !file.name.is_empty() && file.name.len() <= LONGEST_NAME && !file.name.chars().any(char::is_control);
        if !is_name {
            let problem =
                Problem::new("name_wrong", "this cannot be the name of a file").at(format!("files[{at}].name"));
            return Err(vec![problem.hint(format!("1 to {LONGEST_NAME} bytes without control characters"))]);
        }
        if file.text.len() as u64 > MAX_FILE_BYTES {
            let reason = format!("this file is larger than {} MiB", MAX_FILE_BYTES >> 20);
            return Err(vec![Problem::new("file_too_large", reason).at(format!("files[{at}]"))]);
        }
    }
    Draft::parse(files.iter().map(|file| Source { name: file.name.clone(), bytes: file.text.clone().into_bytes() }))
}

/// A reason is short.
pub(super) fn refuse_long(why: Option<&str>) -> Result<(), Refused> {
    if why.is_none_or(|why| why.len() <= LONGEST_WHY) {
        return Ok(());
    }
    let problem = Problem::new("body_wrong", format!("why has at most {LONGEST_WHY} bytes")).at("why");
    Err(Refused::new(StatusCode::UNPROCESSABLE_ENTITY, problem))
}
