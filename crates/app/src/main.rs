//! The binary `tramontane`: everything meets here.

mod activities;
mod alerts;
mod badge;
mod changes;
mod cli;
mod environment;
mod exit;
mod filter;
mod held;
mod imports;
mod keys;
mod logs;
mod operations;
#[cfg(feature = "otel")]
mod otel;
mod outside;
mod parts;
mod print;
mod progress;
mod secrets;
mod server;
mod settings;
mod sign_in;
mod storages;
mod story;
mod token;

use clap::Parser;
use mimalloc::MiMalloc;
use std::panic::PanicHookInfo;
use std::process::ExitCode;

/// JSON trees are made and dropped for every row; this allocator is made for that.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(say_where));
    let cli = cli::Cli::parse();
    cli::run(cli)
}

/// Where a panic was, without its words: they may quote data, which has no place in a log.
fn say_where(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(place, "a fault of the program; please report it");
}
