//! The binary `tramontane`: everything meets here.

mod cli;
mod exit;
mod parts;
mod print;
mod settings;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    cli::run(cli)
}
