//! The form in which a catalogue lies in a file: JSON with one operation and one schema a line, so that a change of
//! the document can be read in a diff.

use super::catalogue::Catalogue;
use model::Problem;
use serde::Serialize;

/// Writes a catalogue. The same catalogue always gives the same text.
///
/// # Errors
/// `catalogue_wrong` where a value cannot be written as JSON.
pub fn write(catalogue: &Catalogue) -> Result<String, Problem> {
    let operations = catalogue.operations.iter().map(line).collect::<Result<Vec<_>, _>>()?;
    let schemas = catalogue.schemas.iter().map(|(name, schema)| Ok(format!("{}:{schema}", line(name)?)));
    let schemas = schemas.collect::<Result<Vec<_>, Problem>>()?;
    Ok(format!(
        "{{\"source\":{},\n\"operations\":[\n{}\n],\n\"schemas\":{{\n{}\n}}}}\n",
        line(&catalogue.source)?,
        operations.join(",\n"),
        schemas.join(",\n"),
    ))
}

/// Reads what [`write`] wrote. Schemas stay text until they are asked for.
///
/// # Errors
/// `catalogue_wrong`, with the line.
pub fn load(text: &str) -> Result<Catalogue, Problem> {
    serde_json::from_str(text).map_err(|error| {
        let line = u64::try_from(error.line()).unwrap_or(u64::MAX);
        Problem::new("catalogue_wrong", error.to_string()).line(line)
    })
}

fn line(value: &impl Serialize) -> Result<String, Problem> {
    serde_json::to_string(value).map_err(|error| Problem::new("catalogue_wrong", error.to_string()))
}
