//! What definitions that come over the network may reach on the server: variables that were declared for them, and
//! files under its file roots.
//!
//! Asked of what changes alone. What stands in the store already was allowed by whoever put it there, and stays.

use super::alerts;
use super::keys;
use super::kind::Kind;
use super::place::naive;
use super::shape;
use super::variables::{Piece, Variables, pieces};
use model::{Problem, Registry};
use serde_json::Value;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};
use store::{Declared, DefinitionChange, StoredDefinition};

/// What is allowed.
pub struct Allowed<'a> {
    /// Folders in which files may be named. Relative paths are taken from the first.
    pub roots: &'a [PathBuf],
    /// Variables that may be named.
    pub declared: &'a [Declared],
    /// What variables stand for that have no value of their own.
    pub variables: &'a dyn Variables,
}

impl std::fmt::Debug for Allowed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Allowed").field("roots", &self.roots).finish_non_exhaustive()
    }
}

impl Allowed<'_> {
    /// Everything that these changes would reach and may not.
    #[must_use]
    pub fn problems(
        &self,
        changes: &[DefinitionChange],
        stored: &[StoredDefinition],
        registry: &Registry,
    ) -> Vec<Problem> {
        let mut problems = Vec::new();
        for change in changes {
            let kind = Kind::from_word(&change.kind);
            let value = change.body.as_deref().and_then(|body| serde_json::from_str::<Value>(body).ok());
            let Some((kind, value)) = kind.zip(value) else { continue };
            let before = stored.iter().find(|one| one.kind == change.kind && one.name == change.name);
            let before = before.and_then(|one| serde_json::from_str(&one.body).ok()).unwrap_or(Value::Null);
            let found = self.of_definition(kind, &value, &before, registry);
            problems.extend(found.into_iter().map(|problem| problem.within(&format!("{kind}.{}", change.name))));
        }
        problems
    }

    fn of_definition(&self, kind: Kind, value: &Value, before: &Value, registry: &Registry) -> Vec<Problem> {
        let mut problems = Vec::new();
        let paths = shape::paths(kind, value, registry);
        let base_uri = (kind == Kind::HttpClients).then_some("base_uri");
        let of_alert = if kind == Kind::Alerts { alerts::settings(value) } else { Vec::new() };
        let settings = keys::places(kind, value).into_iter().chain(base_uri.map(str::to_owned));
        let settings = settings.chain(of_alert).chain(paths.iter().cloned());
        for place in settings {
            let Some(text) = value.pointer(&naive(&place)).and_then(Value::as_str) else { continue };
            if before.pointer(&naive(&place)).and_then(Value::as_str) == Some(text) {
                continue;
            }
            let found = match self.resolved(text) {
                Ok(path) if paths.contains(&place) => self.outside(Path::new(&path)),
                Ok(_) => None,
                Err(problem) => Some(problem),
            };
            problems.extend(found.map(|problem| problem.at(place)));
        }
        problems
    }

    /// A setting with its variables replaced; what stands for secrets stays.
    fn resolved(&self, text: &str) -> Result<String, Problem> {
        let mut resolved = String::new();
        for piece in pieces(text)? {
            match piece {
                Piece::Text(text) => resolved.push_str(text),
                Piece::Secret(name) => resolved.push_str(name),
                Piece::Variable(name) => {
                    let declared = self.declared.iter().find(|one| one.name == name).ok_or_else(|| undeclared(name))?;
                    let value = declared.value.clone().or_else(|| self.variables.variable(name));
                    resolved.push_str(&value.unwrap_or_default());
                }
            }
        }
        Ok(resolved)
    }

    fn outside(&self, path: &Path) -> Option<Problem> {
        let is_plain = path.components().all(|step| matches!(step, Component::RootDir | Component::Normal(_)));
        let inside = self.roots.iter().any(|root| path.starts_with(root) && path != root && !leads_out(path, root));
        let is_folder = self.roots.iter().any(|root| path == root);
        (!is_plain || !(inside || is_folder)).then(|| {
            let hint =
                "name it relative to the server's folder of files; tramontane serve --file-roots says which there are";
            Problem::new("path_outside", "the server lets nobody name files here").hint(hint)
        })
    }
}

/// Whether a link on the way leads out of the folder, or nowhere.
fn leads_out(path: &Path, root: &Path) -> bool {
    let Ok(real_root) = root.canonicalize() else { return false };
    for step in path.ancestors().take_while(|step| *step != root) {
        match step.symlink_metadata() {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Ok(_) => return !step.canonicalize().is_ok_and(|real| real.starts_with(&real_root)),
            Err(_) => return true,
        }
    }
    false
}

fn undeclared(name: &str) -> Problem {
    let problem = Problem::new("variable_undeclared", format!("nobody has declared the variable {name}"));
    problem.hint("an administrator declares variables that definitions may name: PUT /api/v1/settings/variables")
}
