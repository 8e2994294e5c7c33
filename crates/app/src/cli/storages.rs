//! `tramontane storages`: what transformers remembered.

use super::kept::Kept;
use super::{Context, Ended, Failure};
use crate::exit::Exit;
use crate::print::short;
use crate::storages::Storage;
use clap::{Args, Subcommand};
use model::storages::{LARGEST_VALUE, LONGEST_KEY};
use model::{EntryKey, Problem, suggest};
use serde_json::{Value, json};
use store::EntryFilter;

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

/// Refuses a name that nothing has.
async fn check(kept: &Kept, name: &str) -> Result<Storage, Failure> {
    let known = kept.storages().await?;
    if let Some(storage) = known.iter().find(|storage| storage.name == name) {
        return Ok(storage.clone());
    }
    let problem = Problem::new("storage_unknown", format!("there is no storage \"{name}\""));
    let hint = suggest::hint(name, known.iter().map(|storage| storage.name.as_str()));
    Err(Failure::refused(vec![problem.hint(hint.unwrap_or_else(|| "define it under storages".to_owned()))]))
}

async fn list(context: &Context) -> Ended {
    let known = Kept::to_read(context).await?.storages().await?;
    if context.printer.json() {
        context.printer.value(&json!(known));
        return Ok(Exit::Done);
    }
    let row = |storage: &Storage| {
        let kept = match storage.ttl {
            _ if !storage.defined => "(no longer defined)".to_owned(),
            Some(ttl) => ttl.to_string(),
            None => "for ever".to_owned(),
        };
        vec![storage.name.clone(), storage.entries.to_string(), kept]
    };
    context.printer.table(&["name", "entries", "kept"], &known.iter().map(row).collect::<Vec<_>>());
    Ok(Exit::Done)
}

async fn show(context: &Context, filter: EntryFilter) -> Ended {
    let kept = Kept::to_read(context).await?;
    check(&kept, &filter.storage).await?;
    let limit = filter.limit as usize;
    let entries = kept.entries(filter).await?;
    if context.printer.json() {
        context.printer.value(&json!(entries));
        return Ok(Exit::Done);
    }
    let row = |entry: &Value| {
        let text = |name: &str| entry[name].as_str().map(str::to_owned);
        let expires = text("expires_at").unwrap_or_else(|| "never".to_owned());
        let written = text("written_at").unwrap_or_default();
        vec![short(key_of(entry), 60), written, expires, short(&entry["value"].to_string(), 80)]
    };
    context.printer.table(&["key", "written", "expires", "value"], &entries.iter().map(row).collect::<Vec<_>>());
    if let Some(last) = entries.last().filter(|_| entries.len() == limit) {
        context.printer.say(&format!("there may be more: --after '{}'", key_of(last)));
    }
    Ok(Exit::Done)
}

fn key_of(entry: &Value) -> &str {
    entry["key"].as_str().unwrap_or_default()
}

async fn get(context: &Context, of: EntryKey) -> Ended {
    let kept = Kept::to_read(context).await?;
    check(&kept, &of.storage).await?;
    let Some(entry) = kept.entry(&of).await? else {
        let problem = Problem::new("entry_unknown", format!("\"{}\" has no entry \"{}\"", of.storage, of.key));
        let hint = format!("tramontane storages show {} --search TEXT finds one", of.storage);
        return Err(Failure::refused(vec![problem.hint(hint)]));
    };
    if context.printer.json() {
        context.printer.value(&entry);
    } else {
        context.printer.data(&entry["value"].to_string());
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
    let length = value.to_string().len();
    if length > LARGEST_VALUE {
        let reason = format!("the value has {length} bytes, {LARGEST_VALUE} are allowed");
        return refused(Problem::new("value_too_large", reason));
    }
    if of.key.is_empty() || of.key.len() > LONGEST_KEY {
        let reason = format!("a key has 1 to {LONGEST_KEY} bytes, this one has {}", of.key.len());
        return refused(Problem::new("wrong_key", reason));
    }
    let kept = Kept::to_write(context).await?;
    let storage = check(&kept, &of.storage).await?;
    kept.write(of, &value, storage.ttl).await?;
    context.printer.say("written");
    Ok(Exit::Done)
}

async fn delete(context: &Context, name: &str, keys: Vec<String>, dry_run: bool) -> Ended {
    let kept = Kept::to_write(context).await?;
    check(&kept, name).await?;
    let all: Vec<EntryKey> = keys.into_iter().map(|key| EntryKey { storage: name.to_owned(), key }).collect();
    let mut missing = Vec::new();
    for of in &all {
        if kept.entry(of).await?.is_none() {
            missing.push(Problem::new("entry_unknown", format!("\"{name}\" has no entry \"{}\"", of.key)));
        }
    }
    if !missing.is_empty() {
        return Err(Failure::refused(missing));
    }
    let count = all.len() as u64;
    if !dry_run {
        kept.delete(all).await?;
    }
    say_deleted(context, count, dry_run);
    Ok(Exit::Done)
}

async fn delete_found(context: &Context, mut filter: EntryFilter, dry_run: bool) -> Ended {
    let kept = Kept::to_write(context).await?;
    check(&kept, &filter.storage).await?;
    let mut count = 0;
    loop {
        let page = kept.entries(filter.clone()).await?;
        let Some(last) = page.last() else { break };
        filter.after = Some(key_of(last).to_owned());
        count += page.len() as u64;
        if !dry_run {
            let of = |entry: &Value| EntryKey { storage: filter.storage.clone(), key: key_of(entry).to_owned() };
            kept.delete(page.iter().map(of).collect()).await?;
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
