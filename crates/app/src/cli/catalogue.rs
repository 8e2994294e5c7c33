//! `tramontane catalogue`: documents of the API that are newer than the program.

use super::{Context, Ended, Failure};
use crate::exit::Exit;
use crate::imports::{Import, Imports, use_imported};
use crate::print::time;
use clap::{Args, Subcommand};
use connectors::mistral::catalogue::{OVERRIDES, catalogue, shipped};
use connectors::openapi::catalogue::Catalogue;
use connectors::openapi::diff::{Change, Diff, Operation, diff};
use connectors::openapi::read::{Document, MAX_BYTES, Reading, read_newer};
use engine::clock::{Clock, SystemClock};
use model::Problem;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use store::StoredDefinition;

/// Arguments of `tramontane catalogue`.
#[derive(Debug, Args)]
pub(crate) struct CatalogueVerb {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Compares an OpenAPI document with the catalogue in use. Ends with 6 where something breaks.
    #[command(after_help = "Example: tramontane catalogue diff openapi.yaml")]
    Diff {
        /// The document, YAML or JSON.
        file: PathBuf,
    },
    /// Takes a newer OpenAPI document into use, for every command from now on.
    #[command(after_help = "Example: tramontane catalogue import openapi.yaml --dry-run")]
    Import {
        /// The document, YAML or JSON.
        file: PathBuf,
        /// Shows what would change and changes nothing.
        #[arg(long)]
        dry_run: bool,
        /// Imports it even where it breaks definitions.
        #[arg(long)]
        force: bool,
    },
    /// Lists the shipped catalogue and what was imported.
    List,
    /// Goes back to the catalogue that was in use before the last import.
    Undo,
}

/// What a document means for those who use the catalogue in use.
struct Outlook {
    file: String,
    reading: Reading,
    diff: Diff,
    touched: Vec<Touched>,
}

/// A definition whose operation is different.
#[derive(Serialize)]
struct Touched {
    /// `outgoing.describe`.
    definition: String,
    #[serde(flatten)]
    operation: Operation,
    breaks: bool,
}

impl CatalogueVerb {
    pub(crate) async fn run(self, context: &Context) -> Ended {
        let refused = |problem| Failure::refused(vec![problem]);
        match self.action {
            Action::List => return list(context),
            Action::Undo => return undo(context),
            Action::Diff { .. } | Action::Import { .. } => use_imported(&context.data()).map_err(refused)?,
        }
        match self.action {
            Action::Diff { file } => {
                let outlook = Outlook::of(context, &file).await?;
                outlook.print(context);
                Ok(if outlook.diff.broken().next().is_some() { Exit::Failed } else { Exit::Done })
            }
            Action::Import { file, dry_run, force } => import(context, &file, dry_run, force).await,
            Action::List | Action::Undo => Ok(Exit::Done),
        }
    }
}

async fn import(context: &Context, file: &Path, dry_run: bool, force: bool) -> Ended {
    let outlook = Outlook::of(context, file).await?;
    let source = &outlook.reading.catalogue.source;
    if source.sha256 == catalogue().source.sha256 {
        context.printer.say(&format!("{} is in use already", outlook.file));
        return Ok(Exit::Done);
    }
    outlook.print(context);
    let broken: Vec<&str> = outlook.broken().collect();
    if !broken.is_empty() && !force {
        let reason = format!("the import breaks definitions: {}", broken.join(", "));
        let hint = "change them, or import it all the same with --force; undo goes back";
        return Err(Failure::refused(vec![Problem::new("import_breaks", reason).hint(hint)]));
    }
    if dry_run {
        return Ok(Exit::Done);
    }
    let data = context.data();
    let refused = |problem| Failure::refused(vec![problem]);
    let mut imports = Imports::read(&data).map_err(refused)?;
    let number = imports
        .add(&data, &outlook.file, &outlook.reading.catalogue, SystemClock.now())
        .map_err(|problem| Failure::new(Exit::Trouble, problem))?;
    context.printer.say(&format!("import {number} is in use; tramontane catalogue undo goes back"));
    Ok(Exit::Done)
}

impl Outlook {
    async fn of(context: &Context, path: &Path) -> Result<Self, Failure> {
        let text = read_file(path).map_err(|problem| Failure::refused(vec![problem]))?;
        let sha256: String = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        let file = path.file_name().and_then(|name| name.to_str()).unwrap_or("document").to_owned();
        let named = |problem: Problem| Problem { file: Some(path.display().to_string()), ..problem };
        let reading = read_newer(&Document { file: &file, sha256: &sha256, text: &text }, OVERRIDES)
            .map_err(|problems| Failure::refused(problems.into_iter().map(named).collect()))?;
        let diff = diff(catalogue(), &reading.catalogue);
        let stored = match context.read_store().await {
            Ok(store) => store.definitions().await?.1,
            Err(failure) if failure.problems.iter().any(|problem| problem.code == "store_absent") => Vec::new(),
            Err(failure) => return Err(failure),
        };
        let touched = touched(catalogue(), &diff, &stored);
        Ok(Self { file, reading, diff, touched })
    }

    /// Definitions that the document breaks.
    fn broken(&self) -> impl Iterator<Item = &str> {
        self.touched.iter().filter(|touched| touched.breaks).map(|touched| touched.definition.as_str())
    }

    fn print(&self, context: &Context) {
        let printer = &context.printer;
        let source = &self.reading.catalogue.source;
        if printer.json() {
            let (gaps, left_out) = (&self.reading.gaps, &self.reading.left_out);
            let shown = json!({
                "file": self.file, "version": source.version, "sha256": source.sha256, "operations": source.operations,
                "new": self.diff.new, "gone": self.diff.gone, "changed": self.diff.changed, "touched": self.touched,
                "notes": gaps.iter().chain(left_out).collect::<Vec<_>>(),
            });
            return printer.value(&shown);
        }
        let line = |word: &str, one: &Operation| format!("{word:<8}{}  {}", one.signature(), one.title);
        self.diff.new.iter().for_each(|one| printer.data(&line("new", one)));
        self.diff.gone.iter().for_each(|one| printer.data(&line("gone", one)));
        for changed in &self.diff.changed {
            printer.data(&line("changed", &changed.operation));
            for Change { place, what, breaks } in &changed.changes {
                let word = if *breaks { "breaks" } else { "" };
                printer.data(&format!("  {word:<8}{}", format!("{place} {what}").trim_start()));
            }
        }
        for Touched { definition, operation, breaks } in &self.touched {
            let how = if *breaks { "is broken by" } else { "is touched by" };
            printer.data(&format!("{definition} {how} {}", operation.title));
        }
        self.say_counts(context);
    }

    fn say_counts(&self, context: &Context) {
        let (source, diff) = (&self.reading.catalogue.source, &self.diff);
        let broken = diff.broken().count();
        context.printer.say(&format!(
            "{}, version {}, has {} operations: {} new, {} gone, {} changed; {broken} of these break",
            self.file,
            source.version,
            source.operations,
            diff.new.len(),
            diff.gone.len(),
            diff.changed.len()
        ));
        let Reading { gaps, left_out, .. } = &self.reading;
        if !gaps.is_empty() {
            let what =
                "operations are not known by hand: their titles are the document's, and none is repeated on its own";
            context.printer.say(&format!("{} {what}", gaps.len()));
        }
        if !left_out.is_empty() {
            context.printer.say(&format!(
                "{} facts kept by hand fit no more and are left out (--json lists them)",
                left_out.len()
            ));
        }
    }
}

/// Reads a document without trusting its size.
fn read_file(path: &Path) -> Result<String, Problem> {
    let at = |problem: Problem| Problem { file: Some(path.display().to_string()), ..problem };
    let unreadable = |error: std::io::Error| at(Problem::new("file_unreadable", error.to_string()));
    let file = File::open(path).map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(at(Problem::new("file_not_regular", "this is no regular file")));
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > MAX_BYTES {
        return Err(at(Problem::new("file_too_large", format!("a document has {} MiB at most", MAX_BYTES >> 20))));
    }
    String::from_utf8(bytes).map_err(|error| {
        let reason = format!("no UTF-8 text: byte {} is none of one", error.utf8_error().valid_up_to());
        at(Problem::new("document_unreadable", reason))
    })
}

/// The definitions whose operations are gone or changed.
fn touched(older: &Catalogue, diff: &Diff, stored: &[StoredDefinition]) -> Vec<Touched> {
    let changed = diff.changed.iter().map(|changed| {
        let breaks = changed.changes.iter().any(|change| change.breaks);
        (changed.operation.signature(), (&changed.operation, breaks))
    });
    let gone = diff.gone.iter().map(|operation| (operation.signature(), (operation, true)));
    let different: BTreeMap<String, (&Operation, bool)> = changed.chain(gone).collect();
    let of = |definition: &StoredDefinition| {
        let (operation, breaks) = different.get(&signature(older, definition)?)?;
        let definition = format!("{}.{}", definition.kind, definition.name);
        Some(Touched { definition, operation: (*operation).clone(), breaks: *breaks })
    };
    stored.iter().filter_map(of).collect()
}

/// The operation that a stored definition calls: `GET /v1/models`.
fn signature(catalogue: &Catalogue, definition: &StoredDefinition) -> Option<String> {
    let body: Value = serde_json::from_str(&definition.body).ok()?;
    let part = body.get("subscriber").or_else(|| body.get("publisher"))?;
    let text = |name: &str| part.get(name).and_then(Value::as_str);
    if text("type") != Some("mistral") {
        return None;
    }
    let method = super::entities::method(text("method")?).ok()?;
    if let Some(path) = text("path_template") {
        return Some(format!("{} {path}", method.as_str()));
    }
    let entry = catalogue.find(Some(method), text("entity")?).ok()?;
    Some(format!("{} {}", entry.method.as_str(), entry.path))
}

fn list(context: &Context) -> Ended {
    let imports = Imports::read(&context.data()).map_err(|problem| Failure::refused(vec![problem]))?;
    let shipped = &shipped().source;
    if context.printer.json() {
        let mut value = json!(imports);
        value["shipped"] = json!(shipped);
        context.printer.value(&value);
        return Ok(Exit::Done);
    }
    let row = |number: Option<u32>, file: &str, version: &str, operations: usize, at: String| {
        let name = number.map_or_else(|| "shipped".to_owned(), |number| number.to_string());
        let state = if number == imports.in_use { "in use" } else { "" };
        vec![name, state.to_owned(), file.to_owned(), version.to_owned(), operations.to_string(), at]
    };
    let of =
        |import: &Import| row(Some(import.number), &import.file, &import.version, import.operations, time(import.at));
    let mut rows = vec![row(None, &shipped.file, &shipped.version, shipped.operations, String::new())];
    rows.extend(imports.imports.iter().map(of));
    context.printer.table(&["import", "", "file", "version", "operations", "imported"], &rows);
    if imports.current().is_some_and(Import::is_overtaken) {
        context
            .printer
            .say("the program has a newer catalogue of its own since; tramontane catalogue undo goes back to it");
    }
    Ok(Exit::Done)
}

fn undo(context: &Context) -> Ended {
    let data = context.data();
    let refused = |problem| Failure::refused(vec![problem]);
    let mut imports = Imports::read(&data).map_err(refused)?;
    let undone = imports.undo(&data).map_err(|problem| Failure::new(Exit::Trouble, problem))?;
    let Some(undone) = undone else {
        let problem = Problem::new("nothing_to_undo", "the shipped catalogue is in use");
        return Err(refused(problem.hint("tramontane catalogue list shows what there is")));
    };
    let now = match imports.in_use {
        Some(number) => format!("import {number}"),
        None => "the shipped catalogue".to_owned(),
    };
    if context.printer.json() {
        context.printer.value(&json!(imports));
    }
    context.printer.say(&format!("import {} is undone; {now} is in use", undone.number));
    Ok(Exit::Done)
}
