//! The binary `tramontane`: everything meets here.

mod activities;
mod changes;
mod cli;
mod exit;
mod filter;
mod held;
mod imports;
mod logs;
mod operations;
mod parts;
mod print;
mod server;
mod settings;
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
