//! `tramontane demo`: the product at work, offline.

use super::apply::{Options, apply_folder};
use super::run::Job;
use super::{Context, Ended, Failure, open_engine_store};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::settings::API_KEY;
use clap::Args;
use connectors::mistral::prices::Prices;
use engine::RunOptions;
use model::Problem;
use model::definition::Span;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// The definitions and the data of the demo: the same files as `examples/quickstart/`.
const FILES: [(&str, &str); 2] = [
    ("quickstart.yaml", include_str!("../../../../examples/quickstart/quickstart.yaml")),
    ("products.jsonl", include_str!("../../../../examples/quickstart/products.jsonl")),
];
const RESULT: &str = "out/descriptions.jsonl";
/// A file that says: this folder is the demo's, it may be emptied.
const MARK: &str = ".tramontane-demo";

/// Arguments of `tramontane demo`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example: tramontane demo

Starts the simulator, applies examples/quickstart, runs it, and stops what it started. Needs no key and no network. The
folder stays, so that you can look: tramontane tasks list --data FOLDER/data")]
pub(crate) struct Demo {
    /// Folder for the demo's files; emptied first.
    #[arg(long, default_value = "tramontane-demo", value_name = "DIR")]
    folder: PathBuf,
}

impl Demo {
    pub(crate) async fn run(self, context: &Context) -> Ended {
        lay_out(&self.folder).map_err(|problem| Failure::new(Exit::Trouble, problem))?;
        let simulator = simulator::start(simulator::Options::default()).await.map_err(|error| {
            Failure::new(Exit::Trouble, Problem::new("simulator", format!("cannot start the simulator: {error}")))
        })?;
        context.printer.say(&format!("simulator at {}", simulator.url()));
        let ended = self.work(context, simulator.url()).await;
        simulator.stop().await;
        ended
    }

    async fn work(&self, context: &Context, url: &str) -> Ended {
        let variables = Environment::default().with("MISTRAL_BASE_URI", url).with(API_KEY, "demo");
        let store = open_engine_store(&self.folder.join("data"))?;
        let changes = apply_folder(store.as_ref(), &self.folder, Options::default()).await?;
        context.printer.say(&format!("applied {changes} definitions from {}", self.folder.display()));
        let options = RunOptions { trigger: "demo".to_owned(), ..RunOptions::default() };
        let job = Job { name: "products", options, wait: Span(60_000), variables, prices: Prices::shipped() };
        let summary = job.run(store, &context.printer).await?;
        summary.print(&context.printer);
        let expected = FILES[1].1.lines().count();
        let written = count_answers(&self.folder.join(RESULT))?;
        if written != expected {
            let reason = format!("{written} answers are in the file, {expected} were expected");
            return Err(Failure::new(Exit::Failed, Problem::new("demo", reason)));
        }
        context.printer.say(&format!("{written} answers; look at them, or at a task:"));
        context.printer.say(&format!("  tramontane tasks show 2 --data {}", self.folder.join("data").display()));
        Ok(summary.exit())
    }
}

/// Empties the demo's folder and writes its files. A folder that is not the demo's is left alone.
fn lay_out(folder: &Path) -> Result<(), Problem> {
    let trouble = |what: &str, error: std::io::Error| {
        Problem::new("demo_folder", format!("{what} {}: {error}", folder.display()))
            .hint("name another folder with --folder")
    };
    if folder.exists() {
        let ours = folder.join(MARK).exists();
        let empty = std::fs::read_dir(folder).map_err(|error| trouble("cannot read", error))?.next().is_none();
        if !ours && !empty {
            let reason = format!("{} is there and is not the demo's", folder.display());
            return Err(Problem::new("demo_folder", reason).hint("name another folder with --folder"));
        }
        std::fs::remove_dir_all(folder).map_err(|error| trouble("cannot empty", error))?;
    }
    std::fs::create_dir_all(folder).map_err(|error| trouble("cannot make", error))?;
    for (name, text) in FILES.iter().chain(&[(MARK, "")]) {
        std::fs::write(folder.join(name), text).map_err(|error| trouble("cannot write to", error))?;
    }
    Ok(())
}

/// Lines that hold a description.
fn count_answers(file: &Path) -> Result<usize, Failure> {
    let trouble = |error: std::io::Error| {
        Failure::new(Exit::Failed, Problem::new("demo", format!("{}: {error}", file.display())))
    };
    let mut count = 0;
    for line in BufReader::new(std::fs::File::open(file).map_err(trouble)?).lines() {
        let value: serde_json::Value = serde_json::from_str(&line.map_err(trouble)?).unwrap_or_default();
        count += usize::from(value["description"].as_str().is_some_and(|text| !text.is_empty()));
    }
    Ok(count)
}
