//! `tramontane prune`: deletes tasks that need not be kept any longer.

use super::{Context, Ended, Failure};
use crate::exit::Exit;
use crate::settings;
use clap::Args;
use engine::keep::{Beyond, Keeper};
use model::TaskKind;
use serde_json::json;

/// Arguments of `tramontane prune`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example: tramontane prune --dry-run

`keep` of routes and incoming says what is kept; without it, 90 days. Open tasks and those whose outcome is unknown stay.
`tramontane serve` does the same by itself, at its start and every hour.")]
pub(crate) struct Prune {
    /// Says what would be deleted, and changes nothing.
    #[arg(long)]
    dry_run: bool,
}

impl Prune {
    pub(crate) async fn run(self, context: &Context) -> Ended {
        let failed = |problems| Failure { exit: Exit::Trouble, problems };
        let printer = &context.printer;
        if self.dry_run {
            let lanes = Keeper::new(context.read_store().await?, settings::clock()).foresee().await.map_err(failed)?;
            if printer.json() {
                printer.value(&json!({ "would_delete": lanes }));
            } else {
                show(context, &lanes);
                printer.say(&format!("{} would be deleted", sum(&lanes)));
            }
            return Ok(Exit::Done);
        }
        let pruned = Keeper::new(context.engine_store().await?, settings::clock()).prune().await.map_err(failed)?;
        if printer.json() {
            printer.value(&json!({
                "deleted": pruned.lanes, "blobs": pruned.blobs, "entries": pruned.entries,
                "given_back": pruned.given_back,
            }));
        } else {
            show(context, &pruned.lanes);
            let bytes = size(pruned.given_back);
            printer.say(&format!("{} deleted, {} blobs; the file gave {bytes} back", sum(&pruned.lanes), pruned.blobs));
        }
        Ok(Exit::Done)
    }
}

fn show(context: &Context, lanes: &[Beyond]) {
    let row = |lane: &Beyond| {
        let kind = if lane.kind == TaskKind::Push { "route" } else { "incoming" };
        vec![kind.to_owned(), lane.name.clone(), lane.tasks.to_string(), size(lane.bytes)]
    };
    if !lanes.is_empty() {
        context.printer.table(&["of", "name", "tasks", "size"], &lanes.iter().map(row).collect::<Vec<_>>());
    }
}

fn sum(lanes: &[Beyond]) -> String {
    let tasks: u64 = lanes.iter().map(|lane| lane.tasks).sum();
    let bytes = lanes.iter().map(|lane| lane.bytes).sum();
    format!("{tasks} {} of {}", if tasks == 1 { "task" } else { "tasks" }, size(bytes))
}

/// Bytes as people read them.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    match UNITS.iter().find(|(bits, _)| bytes >> bits > 0) {
        Some((bits, unit)) => format!("{:.1} {unit}", bytes as f64 / (1_u64 << bits) as f64),
        None => format!("{bytes} bytes"),
    }
}
