//! `tramontane prices`: the price book that estimates rest on.

use super::{Context, Ended, Failure};
use crate::exit::Exit;
use clap::{Args, Subcommand};
use connectors::mistral::prices::{MAX_BYTES, Prices, SHIPPED};
use model::Problem;
use serde_json::{Map, Value, json};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use store::Store;

/// A book of one's own, in the data folder.
const OWN: &str = "prices.yaml";

/// Arguments of `tramontane prices`.
#[derive(Debug, Args)]
pub(crate) struct PricesVerb {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists the prices in use.
    List,
    /// Writes the shipped prices to a file in the data folder, to be edited.
    #[command(
        after_help = "What stands in the file counts from the next run on, model by model; delete it to go back."
    )]
    Init,
}

impl PricesVerb {
    pub(crate) fn run(self, context: &Context) -> Ended {
        match self.action {
            Action::List => list(context),
            Action::Init => init(context),
        }
    }
}

/// The prices in use: the shipped ones, with those of the data folder laid over them.
///
/// # Errors
/// `prices_wrong`, `file_unreadable`.
pub(crate) fn in_use(data: &Path) -> Result<Prices, Failure> {
    let path = data.join(OWN);
    let refused =
        |problem: Problem| Failure::refused(vec![Problem { file: Some(path.display().to_string()), ..problem }]);
    let unreadable = |error: std::io::Error| refused(Problem::new("file_unreadable", error.to_string()));
    let mut text = String::new();
    match File::open(&path) {
        Ok(file) => file.take(MAX_BYTES as u64 + 1).read_to_string(&mut text).map_err(unreadable)?,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Prices::shipped()),
        Err(error) => return Err(unreadable(error)),
    };
    Prices::with_own(&text).map_err(refused)
}

/// Holds the currency of the prices against that of the costs which the store has. Sums of two currencies mean nothing.
///
/// # Errors
/// `currency_changed`.
pub(crate) async fn agree(store: &dyn Store, prices: &Prices) -> Result<(), Failure> {
    match store.currency(Some(prices.currency.clone())).await? {
        Some(kept) if kept != prices.currency => {
            let reason = format!("the prices are in {}, the costs in the store are in {kept}", prices.currency);
            let problem = Problem::new("currency_changed", reason).at("currency");
            Err(Failure::refused(vec![problem.hint(format!("write {OWN} in {kept}, or use another data folder"))]))
        }
        _ => Ok(()),
    }
}

fn list(context: &Context) -> Ended {
    let data = context.data();
    let prices = in_use(&data)?;
    let own = Some(data.join(OWN)).filter(|path| path.exists());
    if context.printer.json() {
        context.printer.value(&as_json(&prices, own.as_ref()));
        return Ok(Exit::Done);
    }
    let head =
        ["model", "input", "cached", "output", "1,000 pages", "annotated", "minute", "characters", "also known as"];
    let rows = prices.models.iter().map(|(name, price)| {
        let amounts =
            price.named().map(|(_, amount)| amount.map_or_else(|| "-".to_owned(), |amount| amount.to_string()));
        [vec![name.clone()], amounts.to_vec(), vec![price.aliases.join(", ")]].concat()
    });
    context.printer.table(&head, &rows.collect::<Vec<_>>());
    let factors = prices.factors.named().into_iter().filter_map(|(name, factor)| Some(format!("{name} x {}", factor?)));
    context.printer.say(&format!(
        "{} of {}; tokens and characters by the million; {}",
        prices.currency,
        prices.date,
        factors.collect::<Vec<_>>().join(", ")
    ));
    match own {
        Some(path) => context.printer.say(&format!("with {}", path.display())),
        None => context.printer.say("these are the shipped prices; tramontane prices init writes a file to edit"),
    }
    Ok(Exit::Done)
}

fn as_json(prices: &Prices, own: Option<&PathBuf>) -> Value {
    let given = |named: &[(&'static str, Option<f64>)]| -> Map<String, Value> {
        named.iter().filter_map(|(name, amount)| Some(((*name).to_owned(), json!((*amount)?)))).collect()
    };
    let models = prices.models.iter().map(|(name, price)| {
        let mut shown = given(&price.named());
        shown.insert("aliases".to_owned(), json!(price.aliases));
        (name.clone(), Value::Object(shown))
    });
    json!({
        "date": prices.date, "currency": prices.currency, "file": own, "factors": given(&prices.factors.named()),
        "models": models.collect::<Map<_, _>>(),
    })
}

fn init(context: &Context) -> Ended {
    let data = context.data();
    let path = data.join(OWN);
    let trouble = |error: std::io::Error| {
        let problem = match error.kind() {
            ErrorKind::AlreadyExists => Problem::new("file_exists", format!("{} is there already", path.display()))
                .hint("edit it, or delete it to go back to the shipped prices"),
            _ => Problem::new("file_unwritable", format!("{}: {error}", path.display())),
        };
        Failure::refused(vec![problem])
    };
    store::blobs::make_private_folder(&data).map_err(trouble)?;
    let mut file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(trouble)?;
    file.write_all(SHIPPED.as_bytes()).map_err(trouble)?;
    context.printer.say(&format!("{} is there to be edited; it counts from the next run on", path.display()));
    Ok(Exit::Done)
}
