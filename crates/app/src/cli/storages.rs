//! `tramontane storages`: what transformers remembered.

use super::{Context, Ended, Failure};
use crate::exit::Exit;
use crate::print::{short, time};
use crate::settings;
use crate::story;
use bytes::Bytes;
use clap::{Args, Subcommand};
use model::storages::{LARGEST_VALUE, LONGEST_KEY};
use model::{EntryKey, Millis, Problem, suggest};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use store::{Entry, EntryFilter, EntryWrite, Store};

/// Arguments of `tramontane storages`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tramontane storages show products --search 4711
  tramontane storages delete products 4711    (only_new and only_changed let it pass once more)")]
pub(crate) struct Storages {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Lists storages and how many entries each has.
    List,
    /// Lists the entries of a storage, by key.
    Show {
        /// Name of the storage.
        name: String,
        /// Only those with this text in key or value.
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
        /// Only keys after this one: the next page.
        #[arg(long, value_name = "KEY")]
        after: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
        limit: u32,
    },
    /// Prints the value of an entry as JSON.
    Get {
        /// Name of the storage.
        name: String,
        /// Key of the entry.
        key: String,
    },
    /// Writes an entry, in place of what was there.
    Set {
        /// Name of the storage.
        name: String,
        /// Key of the entry.
        key: String,
        /// The value as JSON: `'"a text"'`, `12`, `'{"price": 2}'`.
        value: String,
    },
    /// Deletes entries.
    Delete {
        /// Name of the storage.
        name: String,
        /// Keys of the entries.
        #[arg(required_unless_present_any = ["all", "search"], conflicts_with_all = ["all", "search"])]
        keys: Vec<String>,
        /// All entries of the storage.
        #[arg(long)]
        all: bool,
        /// Those with this text in key or value.
        #[arg(long, value_name = "TEXT", conflicts_with = "all")]
        search: Option<String>,
        /// Says how many would be deleted, and changes nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

/// Entries read or deleted at a time.
const SLICE: u32 = 500;

impl Storages {
    pub(crate) async fn run(self, context: &Context) -> Ended {
        match self.verb {
            Verb::List => list(context).await,
            Verb::Show { name, search, after, limit } => {
                show(context, EntryFilter { storage: name, text: search, after, limit }).await
            }
            Verb::Get { name, key } => get(context, EntryKey { storage: name, key }).await,
            Verb::Set { name, key, value } => set(context, EntryKey { storage: name, key }, &value).await,
            Verb::Delete { name, keys, search, dry_run, .. } if keys.is_empty() => {
                delete_found(context, EntryFilter { storage: name, text: search, after: None, limit: SLICE }, dry_run)
                    .await
            }
            Verb::Delete { name, keys, dry_run, .. } => delete(context, &name, keys, dry_run).await,
        }
    }
}

/// Every storage that is defined or has entries: how long it keeps them, where it is defined, and how many there are.
async fn known(
    store: &dyn Store,
    now: Millis,
) -> Result<BTreeMap<String, (Option<model::definition::Storage>, u64)>, Failure> {
    let (_, stored) = store.definitions().await?;
    let definitions = engine::definitions::from_stored(&stored).map_err(Failure::refused)?;
    let mut known: BTreeMap<_, _> =
        definitions.storages.into_iter().map(|(name, storage)| (name, (Some(storage), 0))).collect();
    for (name, count) in store.entry_counts(now).await? {
        known.entry(name).or_insert((None, 0)).1 = count;
    }
    Ok(known)
}

/// Refuses a name that nothing has.
async fn check(store: &dyn Store, name: &str, now: Millis) -> Result<Option<model::definition::Storage>, Failure> {
    let known = known(store, now).await?;
    if let Some((storage, _)) = known.get(name) {
        return Ok(*storage);
    }
    let problem = Problem::new("storage_unknown", format!("there is no storage \"{name}\""));
    let hint = suggest::hint(name, known.keys().map(String::as_str));
    Err(Failure::refused(vec![problem.hint(hint.unwrap_or_else(|| "define it under storages".to_owned()))]))
}

async fn list(context: &Context) -> Ended {
    let store = context.read_store().await?;
    let known = known(store.as_ref(), settings::clock().now()).await?;
    if context.printer.json() {
        let shown = known.iter().map(|(name, (storage, entries))| {
            let ttl = storage.and_then(|storage| storage.ttl).map(|ttl| ttl.to_string());
            json!({ "name": name, "entries": entries, "ttl": ttl, "defined": storage.is_some() })
        });
        context.printer.value(&json!(shown.collect::<Vec<_>>()));
        return Ok(Exit::Done);
    }
    let row = |(name, (storage, entries)): (&String, &(Option<model::definition::Storage>, u64))| {
        let kept = match storage {
            None => "(no longer defined)".to_owned(),
            Some(storage) => storage.ttl.map_or_else(|| "for ever".to_owned(), |ttl| ttl.to_string()),
        };
        vec![name.clone(), entries.to_string(), kept]
    };
    context.printer.table(&["name", "entries", "kept"], &known.iter().map(row).collect::<Vec<_>>());
    Ok(Exit::Done)
}

async fn show(context: &Context, filter: EntryFilter) -> Ended {
    let store = context.read_store().await?;
    let now = settings::clock().now();
    check(store.as_ref(), &filter.storage, now).await?;
    let limit = filter.limit as usize;
    let entries = store.find_entries(filter, now).await?;
    if context.printer.json() {
        context.printer.value(&json!(entries.iter().map(story::Entry::from).collect::<Vec<_>>()));
        return Ok(Exit::Done);
    }
    let row = |entry: &Entry| {
        let value = String::from_utf8_lossy(&entry.value);
        let expires = entry.expires_at.map_or_else(|| "never".to_owned(), time);
        vec![short(&entry.key, 60), time(entry.at), expires, short(&value, 80)]
    };
    context.printer.table(&["key", "written", "expires", "value"], &entries.iter().map(row).collect::<Vec<_>>());
    if let Some(last) = entries.last().filter(|_| entries.len() == limit) {
        context.printer.say(&format!("there may be more: --after '{}'", last.key));
    }
    Ok(Exit::Done)
}

async fn get(context: &Context, of: EntryKey) -> Ended {
    let store = context.read_store().await?;
    let now = settings::clock().now();
    check(store.as_ref(), &of.storage, now).await?;
    let Some(entry) = store.entries(vec![of.clone()], now).await?.pop().flatten() else {
        let problem = Problem::new("entry_unknown", format!("\"{}\" has no entry \"{}\"", of.storage, of.key));
        let hint = format!("tramontane storages show {} --search TEXT finds one", of.storage);
        return Err(Failure::refused(vec![problem.hint(hint)]));
    };
    if context.printer.json() {
        context.printer.value(&json!(story::Entry::from(&entry)));
    } else {
        context.printer.data(&String::from_utf8_lossy(&entry.value));
    }
    Ok(Exit::Done)
}

async fn set(context: &Context, of: EntryKey, value: &str) -> Ended {
    let refused = |problem: Problem| Err(Failure::refused(vec![problem]));
    let value: Value = match serde_json::from_str(value) {
        Ok(value) => value,
        Err(error) => {
            let problem = Problem::new("value_wrong", format!("the value is no JSON: {error}"));
            return refused(problem.hint("a text needs its quotes: '\"text\"'"));
        }
    };
    let text = value.to_string();
    if text.len() > LARGEST_VALUE {
        let reason = format!("the value has {} bytes, {LARGEST_VALUE} are allowed", text.len());
        return refused(Problem::new("value_too_large", reason));
    }
    if of.key.is_empty() || of.key.len() > LONGEST_KEY {
        let reason = format!("a key has 1 to {LONGEST_KEY} bytes, this one has {}", of.key.len());
        return refused(Problem::new("wrong_key", reason));
    }
    let store = context.engine_store().await?;
    let now = settings::clock().now();
    let storage = check(store.as_ref(), &of.storage, now).await?;
    let expires_at = storage.and_then(|storage| storage.ttl).map(|ttl| now + ttl.0);
    store.write_entries(vec![EntryWrite { of, value: Some(Bytes::from(text)), expires_at }], now).await?;
    context.printer.say("written");
    Ok(Exit::Done)
}

async fn delete(context: &Context, name: &str, keys: Vec<String>, dry_run: bool) -> Ended {
    let store = context.engine_store().await?;
    let now = settings::clock().now();
    check(store.as_ref(), name, now).await?;
    let of: Vec<EntryKey> = keys.into_iter().map(|key| EntryKey { storage: name.to_owned(), key }).collect();
    let found = store.entries(of.clone(), now).await?;
    let missing = of.iter().zip(&found).filter(|(_, entry)| entry.is_none()).map(|(of, _)| of);
    let missing: Vec<Problem> =
        missing.map(|of| Problem::new("entry_unknown", format!("\"{name}\" has no entry \"{}\"", of.key))).collect();
    if !missing.is_empty() {
        return Err(Failure::refused(missing));
    }
    let count = of.len() as u64;
    if !dry_run {
        let gone = of.into_iter().map(|of| EntryWrite { of, value: None, expires_at: None });
        store.write_entries(gone.collect(), now).await?;
    }
    say_deleted(context, count, dry_run);
    Ok(Exit::Done)
}

async fn delete_found(context: &Context, mut filter: EntryFilter, dry_run: bool) -> Ended {
    let store = context.engine_store().await?;
    let now = settings::clock().now();
    check(store.as_ref(), &filter.storage, now).await?;
    let mut count = 0;
    loop {
        let page = store.find_entries(filter.clone(), now).await?;
        let Some(last) = page.last() else { break };
        filter.after = Some(last.key.clone());
        count += page.len() as u64;
        if !dry_run {
            let of = |entry: Entry| EntryKey { storage: filter.storage.clone(), key: entry.key };
            let gone = page.into_iter().map(|entry| EntryWrite { of: of(entry), value: None, expires_at: None });
            store.write_entries(gone.collect(), now).await?;
        }
    }
    say_deleted(context, count, dry_run);
    Ok(Exit::Done)
}

fn say_deleted(context: &Context, count: u64, dry_run: bool) {
    if context.printer.json() {
        let member = if dry_run { "would_delete" } else { "deleted" };
        return context.printer.value(&json!({ member: count }));
    }
    let entries = if count == 1 { "entry" } else { "entries" };
    context.printer.say(&format!("{count} {entries} {}", if dry_run { "would be deleted" } else { "deleted" }));
}
