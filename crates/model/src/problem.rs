//! What is wrong, where, why, and what to do about it.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// How much a problem matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth saying; stops nothing.
    Warning,
    /// Stops what was asked for.
    #[default]
    Error,
}

/// One thing that is wrong: a stable code for programs, and place, reason and hint for people.
///
/// `reason` and `hint` are lower case without a full stop, so that they can stand in a sentence. Secrets never
/// stand in either.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Stable, in snake case; each code has a meaning in `docs/errors.md`.
    pub code: Cow<'static, str>,
    /// Where: a dotted path in definitions (`routes.describe.retry.attempts`), a JSON pointer in a payload
    /// (`/messages/0/role`), or a file. Empty where there is no place.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub place: String,
    /// File of the definitions or of the data, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line in that file, or in the data file, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// What is wrong.
    pub reason: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What the service calls the request that it refused: what its support asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Whether it stops anything.
    #[serde(default)]
    pub severity: Severity,
}

impl Problem {
    /// A problem with a code and a reason, as an error without a place.
    pub fn new(code: &'static str, reason: impl Into<String>) -> Self {
        Self {
            code: Cow::Borrowed(code),
            place: String::new(),
            file: None,
            line: None,
            reason: reason.into(),
            hint: None,
            request_id: None,
            severity: Severity::Error,
        }
    }

    /// Says where.
    #[must_use]
    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.place = place.into();
        self
    }

    /// Puts a place before the present one: `("routes", "describe.retry")` gives `routes.describe.retry`. JSON
    /// pointers are appended as they are.
    #[must_use]
    pub fn within(mut self, outer: &str) -> Self {
        self.place = match (outer.is_empty(), self.place.is_empty()) {
            (_, true) => outer.to_owned(),
            (true, false) => self.place,
            (false, false) if self.place.starts_with(['/', '[']) => format!("{outer}{}", self.place),
            (false, false) => format!("{outer}.{}", self.place),
        };
        self
    }

    /// Says in which line.
    #[must_use]
    pub fn line(mut self, line: u64) -> Self {
        self.line = Some(line);
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Makes it a warning.
    #[must_use]
    pub fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// Whether it stops what was asked for.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}")?;
            if let Some(line) = self.line {
                write!(f, ":{line}")?;
            }
            write!(f, ": ")?;
        } else if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        write!(f, "{}", self.reason)
    }
}

impl std::error::Error for Problem {}
