//! `tramontane entities`: the operations of the Mistral API.

use super::{Context, Ended, Failure};
use crate::exit::Exit;
use crate::operations::{OperationSummary, search as search_operations, whole};
use clap::{Args, Subcommand};
use connectors::mistral::catalogue::catalogue;
use connectors::openapi::catalogue::{Catalogue, Entry, Method};
use model::Problem;
use serde_json::{Value, json};

/// Arguments of `tramontane entities`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples: tramontane entities --method GET --search model
          tramontane entities show \"Retrieve Model\"")]
pub(crate) struct Entities {
    /// Only this HTTP method.
    #[arg(long, global = true, value_parser = method)]
    method: Option<Method>,
    /// Only entities with this text in title, path, area or summary.
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Shows one entity: parameters, body, effect, paging.
    Show {
        /// Its title: "Retrieve Model".
        title: String,
    },
}

/// Reads an HTTP method, in any case.
pub(crate) fn method(text: &str) -> Result<Method, String> {
    serde_json::from_value(Value::String(text.to_ascii_uppercase()))
        .map_err(|_| "methods are GET, POST, PUT, PATCH, DELETE".to_owned())
}

impl Entities {
    pub(crate) fn run(self, context: &Context) -> Ended {
        let catalogue = catalogue();
        match self.verb {
            None => list(context, catalogue, self.method, self.search.as_deref()),
            Some(Verb::Show { title }) => {
                let entry = find(catalogue, self.method, &title)?;
                show(context, catalogue, entry);
            }
        }
        Ok(Exit::Done)
    }
}

/// Finds an entity by title.
pub(crate) fn find<'a>(catalogue: &'a Catalogue, method: Option<Method>, title: &str) -> Result<&'a Entry, Failure> {
    catalogue.find(method, title).map_err(|problem: Problem| Failure::refused(vec![problem]))
}

fn list(context: &Context, catalogue: &Catalogue, method: Option<Method>, search: Option<&str>) {
    let found = search_operations(catalogue, method, None, search.unwrap_or_default());
    if context.printer.json() {
        return context.printer.value(&found.iter().map(|entry| json!(OperationSummary::of(entry))).collect());
    }
    let rows = found.iter().map(|entry| {
        let effect = entry.effect.as_str().to_owned();
        vec![entry.method.as_str().to_owned(), entry.title.clone(), entry.path.clone(), effect, entry.area.clone()]
    });
    context.printer.table(&["method", "entity", "path", "effect", "area"], &rows.collect::<Vec<_>>());
    if found.is_empty() {
        context.printer.say("no entity fits");
    }
}

fn show(context: &Context, catalogue: &Catalogue, entry: &Entry) {
    let value = whole(catalogue, entry);
    if context.printer.json() {
        return context.printer.value(&value);
    }
    let printer = &context.printer;
    printer.data(&format!("{}\n{} {}\n{}", entry.title, entry.method.as_str(), entry.path, entry.summary));
    printer.data(&format!(
        "\narea {}  effect {}  credential {}",
        entry.area,
        entry.effect.as_str(),
        entry.credential.option()
    ));
    if !entry.parameters.is_empty() {
        printer.data("");
        let rows = entry.parameters.iter().map(|parameter| {
            let place = json!(parameter.location).as_str().unwrap_or_default().to_owned();
            let required = if parameter.required { "required" } else { "" };
            vec![place, parameter.name.clone(), required.to_owned(), parameter.schema.to_string()]
        });
        printer.table(&["in", "name", "", "schema"], &rows.collect::<Vec<_>>());
    }
    if let Some(paging) = &entry.paging {
        printer.data(&format!("\npaging {}", json!(paging)));
    }
    if !value["body"].is_null() {
        printer.data(&format!("\nbody\n{}", serde_json::to_string_pretty(&value["body"]).unwrap_or_default()));
    }
}
