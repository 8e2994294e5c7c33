//! `cargo xtask catalogue`: the embedded catalogue, from the official document and the hand-kept overrides.

use anyhow::{Context, bail};
use connectors::openapi::catalogue::Catalogue;
use connectors::openapi::overrides::Overrides;
use connectors::openapi::read::{Origin, read};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::path::{Path, PathBuf};

const OVERRIDES: &str = "crates/connectors/src/mistral/overrides.yaml";
const CATALOGUE: &str = "crates/connectors/src/mistral/catalogue.json";

/// Arguments of `cargo xtask catalogue`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The official OpenAPI document. It stays outside the repository.
    #[arg(long)]
    spec: PathBuf,
    /// Changes nothing; fails where the catalogue is not what the document and the overrides say.
    #[arg(long)]
    check: bool,
}

/// Makes or checks the catalogue.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the workspace has a root")?;
    let text = std::fs::read(&arguments.spec).with_context(|| arguments.spec.display().to_string())?;
    let document = yaml_serde::from_slice(&text).context("the document is no YAML")?;
    let overrides = std::fs::read(root.join(OVERRIDES)).context(OVERRIDES)?;
    let overrides: Overrides = yaml_serde::from_slice(&overrides).context(OVERRIDES)?;
    let origin = Origin { file: file_name(&arguments.spec), sha256: hex(&Sha256::digest(&text)) };
    let catalogue = read(document, &overrides, origin).map_err(|problem| anyhow::anyhow!("{problem}"))?;
    let made = written(&catalogue)?;
    let path = root.join(CATALOGUE);
    let present = std::fs::read(&path).unwrap_or_default();
    if !arguments.check {
        std::fs::write(&path, &made).with_context(|| path.display().to_string())?;
        return Ok(());
    }
    if present != made.as_bytes() {
        let present = String::from_utf8_lossy(&present);
        let line = made.lines().zip(present.lines()).position(|(made, present)| made != present);
        let line = line.unwrap_or_else(|| made.lines().count().min(present.lines().count()));
        bail!("{CATALOGUE} differs from line {}; run `cargo xtask catalogue --spec FILE`", line + 1);
    }
    Ok(())
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// One operation and one schema a line, so that a change can be read in a diff.
fn written(catalogue: &Catalogue) -> anyhow::Result<String> {
    let mut out = format!("{{\n\"source\":{},\n\"operations\":[\n", serde_json::to_string(&catalogue.source)?);
    let operations: Result<Vec<String>, _> = catalogue.operations.iter().map(serde_json::to_string).collect();
    out.push_str(&operations?.join(",\n"));
    out.push_str("\n],\n\"schemas\":{\n");
    let schemas: Vec<String> = catalogue
        .schemas
        .iter()
        .map(|(name, schema)| format!("{}:{}", serde_json::Value::from(name.as_str()), schema.get()))
        .collect();
    out.push_str(&schemas.join(",\n"));
    out.push_str("\n}}\n");
    Ok(out)
}
