//! Generated things. Each is a subcommand in a file of its own. What lies in the repository knows `--check`: it writes
//! nothing then, and fails where what is there is not what would be written.

mod catalogue;
mod errors;
mod generated;
mod openapi;
mod requests;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Makes the generated files of this repository")]
struct Arguments {
    #[command(subcommand)]
    thing: Thing,
}

#[derive(Debug, Subcommand)]
enum Thing {
    /// The catalogue of Mistral AI's operations, from the official OpenAPI document and our overrides
    Catalogue(catalogue::Arguments),
    /// A page for each problem code, from docs/errors.md and the sources
    Errors(errors::Arguments),
    /// The document of the server's API, from the program
    Openapi(openapi::Arguments),
    /// A request of every kind for every operation, as the connector builds it (`make check-contract`)
    Requests(requests::Arguments),
}

#[allow(clippy::print_stderr, reason = "this program speaks to the person who runs it")]
fn main() -> ExitCode {
    let outcome = match Arguments::parse().thing {
        Thing::Catalogue(arguments) => catalogue::run(&arguments),
        Thing::Errors(arguments) => errors::run(&arguments),
        Thing::Openapi(arguments) => openapi::run(&arguments),
        Thing::Requests(arguments) => requests::run(&arguments),
    };
    match outcome {
        Ok(said) => {
            eprintln!("{said}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
