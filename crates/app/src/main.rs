//! The binary `tramontane`: everything meets here.

mod badge;
mod changes;
mod cli;
mod exit;
mod held;
mod imports;
mod logs;
mod operations;
#[cfg(feature = "otel")]
mod otel;
mod parts;
mod print;
mod progress;
mod server;
mod settings;
mod sign_in;
mod story;
mod token;

use clap::Parser;
use mimalloc::MiMalloc;
use std::process::ExitCode;

/// JSON trees are made and dropped for every row; this allocator is made for that.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    cli::run(cli)
}
