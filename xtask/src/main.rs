//! Generated things, each with `--check`.

mod catalogue;

use clap::{Parser, Subcommand};

/// Makes what is generated.
#[derive(Debug, Parser)]
#[command(name = "xtask")]
struct Xtask {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Makes the catalogue of the Mistral API from its OpenAPI document.
    Catalogue(catalogue::Arguments),
}

fn main() -> anyhow::Result<()> {
    match Xtask::parse().task {
        Task::Catalogue(arguments) => catalogue::run(&arguments),
    }
}
