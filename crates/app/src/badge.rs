//! What a server is called, and its colour: `production` in red is not mistaken for `test`.

use model::Problem;
use serde::{Deserialize, Serialize};
use store::{AuditEntry, Store, StoreError};
use utoipa::ToSchema;

/// Its name among the settings.
pub(crate) const SETTING: &str = "environment";
/// The longest name, in characters.
const LONGEST: usize = 40;

/// A name and a colour.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Badge {
    /// Empty: it has none.
    #[schema(max_length = 40)]
    pub(crate) name: String,
    pub(crate) colour: Colour,
}

/// Words, which each face shows as fits it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Colour {
    #[default]
    Grey,
    Blue,
    Green,
    Amber,
    Red,
    Violet,
}

impl Badge {
    /// Whether a server may be called so.
    ///
    /// # Errors
    /// `environment_wrong`
    pub(crate) fn check(&self) -> Result<(), Problem> {
        if self.name.chars().count() <= LONGEST && !self.name.chars().any(char::is_control) {
            return Ok(());
        }
        let problem = Problem::new("environment_wrong", "this is no name of an environment").at("name");
        Err(problem.hint("at most 40 characters, none of them a control character"))
    }
}

/// What it is called.
pub(crate) async fn read(store: &dyn Store) -> Result<Badge, StoreError> {
    let kept = store.setting(SETTING.to_owned()).await?;
    Ok(kept.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

/// Says what it is called from now on.
pub(crate) async fn write(store: &dyn Store, badge: &Badge, audit: AuditEntry) -> Result<(), StoreError> {
    let value = serde_json::to_string(badge).map_err(|error| StoreError::Database(error.to_string()))?;
    store.set_setting(SETTING.to_owned(), value, audit).await
}
