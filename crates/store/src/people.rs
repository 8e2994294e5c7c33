//! People, the tokens that speak for them, and the record of what they did.

use model::{Millis, Problem, Role, Scope};
use serde::{Deserialize, Serialize};

/// Somebody, or a machine of theirs, who may use the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// What they are called; never given to another.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Whether they may see payloads, requests and answers.
    pub sees_payloads: bool,
    /// None of their tokens counts.
    pub is_disabled: bool,
    /// When they were added.
    pub created_at: Millis,
}

impl Person {
    /// Whether somebody may be called so: names are short and stand in logs and lists.
    ///
    /// # Errors
    /// `name_wrong`.
    pub fn check_name(name: &str) -> Result<(), Problem> {
        let is_fine = |letter: char| letter.is_alphanumeric() || matches!(letter, '.' | '-' | '_' | '@');
        if !name.is_empty() && name.len() <= 100 && name.chars().all(is_fine) {
            return Ok(());
        }
        let shown: String = name.chars().take(100).collect();
        let problem = Problem::new("name_wrong", format!("\"{}\" is no name", shown.escape_debug()));
        Err(problem.hint("letters, digits, and . - _ @, at most 100 bytes"))
    }
}

/// A token as lists show it. Of the token itself only a hash is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AccessToken {
    /// Number.
    pub id: i64,
    /// For whom it speaks.
    pub person: String,
    /// What it is for, in their words.
    pub label: String,
    /// It may do what this role may, and no more than its person.
    pub role: Role,
    /// What it may be used for; empty: for all that the role may.
    pub scope: Vec<Scope>,
    /// When it was made.
    pub created_at: Millis,
    /// When it was last used, to about a minute.
    pub used_at: Option<Millis>,
    /// From then on it does not count; `None`: it does not end.
    pub expires_at: Option<Millis>,
}

impl NewAccessToken {
    /// The longest label, in bytes.
    pub const LONGEST_LABEL: usize = 200;

    /// Whether a token may be labelled so: it stands in lists.
    ///
    /// # Errors
    /// `label_wrong`.
    pub fn check_label(label: &str) -> Result<(), Problem> {
        if label.len() <= Self::LONGEST_LABEL && !label.chars().any(char::is_control) {
            return Ok(());
        }
        Err(Problem::new("label_wrong", "a label has at most 200 bytes, and no control characters"))
    }
}

/// A token to be made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewAccessToken {
    /// For whom it speaks.
    pub person: String,
    /// What it is for.
    pub label: String,
    /// What it may do at most.
    pub role: Role,
    /// What it may be used for; empty: for all that the role may.
    pub scope: Vec<Scope>,
    /// SHA-256 of its 256 random bits.
    pub hash: [u8; 32],
    /// From then on it does not count.
    pub expires_at: Option<Millis>,
}

/// Who shows a token, as the store knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// The token.
    pub token: AccessToken,
    /// For whom it speaks.
    pub person: Person,
}

/// One thing that somebody did, or was kept from doing. Never changed, never deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Number; 0 before it is written.
    pub id: i64,
    /// When.
    pub at: Millis,
    /// Who: a name, `cli`, or empty where nobody was known.
    pub who: String,
    /// From where: an address, `cli`.
    pub origin: String,
    /// What: `person.write`, `token.add`, `task.retry`, `denied`.
    pub what: String,
    /// To what: a name, numbers, a path.
    pub subject: String,
    /// What more there is to say, as JSON text; secrets never in it.
    pub details: Option<String>,
}

/// Which entries to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Only numbers below this one: the next page.
    pub before: Option<i64>,
    /// Only of this person.
    pub who: Option<String>,
    /// Only this.
    pub what: Option<String>,
    /// Only what was done to this.
    pub subject: Option<String>,
    /// Only from this time on.
    pub since: Option<Millis>,
    /// Only before this time.
    pub until: Option<Millis>,
    /// At most this many, 1,000 a call.
    pub limit: u32,
}

/// Words of scopes as a column keeps them.
pub(crate) fn scope_text(scope: &[Scope]) -> String {
    scope.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ")
}

/// Reads them; `None` where one is unknown.
pub(crate) fn read_scope(text: &str) -> Option<Vec<Scope>> {
    text.split_whitespace().map(Scope::from_word).collect()
}

/// There is always somebody who may set things right.
pub(crate) fn last_admin(name: &str) -> crate::StoreError {
    let problem = Problem::new("last_admin", format!("{name} is the last administrator who may come in"));
    crate::StoreError::Refused(problem.hint("make somebody else an administrator first"))
}
