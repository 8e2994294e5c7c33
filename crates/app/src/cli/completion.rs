//! `tramontane completion` and `tramontane man`: what a shell and a reader of manuals need.

use super::{Cli, Context, Ended, Failure};
use crate::exit::Exit;
use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use model::Problem;
use std::path::{Path, PathBuf};

/// Arguments of `tramontane completion`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example: tramontane completion bash > ~/.local/share/bash-completion/completions/tramontane")]
pub(crate) struct Completion {
    /// For which shell.
    #[arg(value_enum)]
    shell: Shell,
}

impl Completion {
    pub(crate) fn run(self, context: &Context) -> Ended {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "tramontane", &mut script);
        context.printer.data(String::from_utf8_lossy(&script).trim_end());
        Ok(Exit::Done)
    }
}

/// Arguments of `tramontane man`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples: tramontane man | man -l -
          tramontane man --out ~/.local/share/man/man1")]
pub(crate) struct Man {
    /// Writes a page for every verb into this folder, instead of the first page to stdout.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Man {
    pub(crate) fn run(self, context: &Context) -> Ended {
        let program = Cli::command();
        let Some(folder) = self.out else {
            let mut page = Vec::new();
            clap_mangen::Man::new(program)
                .render(&mut page)
                .map_err(|error| Failure::new(Exit::Trouble, Problem::new("page_failed", error.to_string())))?;
            context.printer.data(String::from_utf8_lossy(&page).trim_end());
            return Ok(Exit::Done);
        };
        std::fs::create_dir_all(&folder)
            .and_then(|()| clap_mangen::generate_to(program, &folder))
            .map_err(|error| unwritable(&folder, &error))?;
        context.printer.say(&format!("the pages are in {}", folder.display()));
        Ok(Exit::Done)
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Trouble, Problem::new("file_unwritable", format!("{}: {error}", path.display())))
}
