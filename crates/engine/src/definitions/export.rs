//! Stored definitions as YAML.

use super::check::parse_stored;
use model::Problem;
use serde_json::{Map, Value};
use store::StoredDefinition;

/// Writes stored definitions as one YAML document: kinds in their order, names sorted, members as they were written,
/// texts of several lines as blocks. Reading it again plans no change.
///
/// # Errors
/// What this version cannot read.
pub fn export(stored: &[StoredDefinition]) -> Result<String, Vec<Problem>> {
    let mut problems = Vec::new();
    let parsed = parse_stored(stored, &mut problems);
    let mut kinds = Map::new();
    for ((kind, name), value) in parsed {
        if let Value::Object(names) = kinds.entry(kind.as_str()).or_insert_with(|| Value::Object(Map::new())) {
            names.insert(name, value);
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    yaml_serde::to_string(&kinds).map_err(|error| vec![Problem::new("export_failed", error.to_string())])
}
