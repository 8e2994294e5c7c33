//! Problems with definitions, as the API says them: with the definition and a JSON pointer into it.

use super::plans::Name;
use engine::definitions::{Kind, locate};
use model::Problem;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// One thing that is wrong with definitions.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = DefinitionProblem)]
pub(super) struct Noted {
    /// Stable, for programs.
    pub(super) code: String,
    /// Where, as a dotted path: `routes.describe.retry.attempts`.
    #[serde(skip_serializing_if = "String::is_empty")]
    place: String,
    /// The definition that it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    definition: Option<Name>,
    /// A JSON pointer into the definition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<String>,
    /// File of the bundle.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// Line in it, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    /// What is wrong.
    pub(super) reason: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// `error` or `warning`.
    severity: &'static str,
}

impl Noted {
    pub(super) fn is_error(&self) -> bool {
        self.severity == "error"
    }

    /// Whether it is about this definition.
    pub(super) fn is_of(&self, kind: &str, name: &str) -> bool {
        self.definition.as_ref().is_some_and(|of| of.kind == kind && of.name == name)
    }
}

/// Problems with their places found in these definitions.
pub(super) fn noted(problems: Vec<Problem>, definitions: &[(Kind, String, Value)]) -> Vec<Noted> {
    let all = || definitions.iter().map(|(kind, name, value)| (*kind, name.as_str(), value));
    let noted = problems.into_iter().map(|problem| {
        let found = locate(&problem.place, all());
        let (definition, pointer) = found.map(|found| (Name::from(found.name), found.pointer)).unzip();
        Noted {
            severity: if problem.is_error() { "error" } else { "warning" },
            code: problem.code.into_owned(),
            place: problem.place,
            definition,
            pointer,
            file: problem.file,
            line: problem.line,
            reason: problem.reason,
            hint: problem.hint,
        }
    });
    noted.collect()
}
