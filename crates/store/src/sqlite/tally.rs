//! Saves what a transaction changed in the tables `tally` and `run_usage`.

use crate::UsageSum;
use crate::changes::{Changes, integer};
use rusqlite::{Connection, params};

/// Writes everything that changed.
pub(super) fn save(db: &Connection, changes: &Changes) -> rusqlite::Result<()> {
    for ((run, lane, state), by) in changes.counts() {
        save_count(db, [run, lane, state, by])?;
    }
    changes.usage().iter().try_for_each(|(run, usage)| save_usage(db, *run, usage))
}

/// Adds to a count; `row` is run, lane, state and by how much.
fn save_count(db: &Connection, row: [i64; 4]) -> rusqlite::Result<()> {
    let [run, lane, state, by] = row;
    db.prepare_cached(
        "INSERT INTO tally (run, lane, state, count) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET count = count + excluded.count",
    )?
    .execute(row)?;
    if by < 0 {
        db.prepare_cached("DELETE FROM tally WHERE run = ?1 AND lane = ?2 AND state = ?3 AND count = 0")?
            .execute([run, lane, state])?;
    }
    Ok(())
}

fn save_usage(db: &Connection, run: i64, sum: &UsageSum) -> rusqlite::Result<()> {
    // A sum beyond 2^63 becomes a fraction, and the cast brings it back to the largest number.
    let columns = "prompt_tokens cached_tokens completion_tokens total_tokens pages audio_seconds characters cost";
    let added = |(index, name): (usize, &str)| {
        let number = index + 4;
        format!("{name} = CAST(coalesce(old.{name} + ?{number}, old.{name}, ?{number}) AS INTEGER)")
    };
    let sql = format!(
        "INSERT INTO run_usage AS old (run, calls, unpriced, {})
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT DO UPDATE SET calls = old.calls + ?2, unpriced = old.unpriced + ?3, {}",
        columns.replace(' ', ", "),
        columns.split(' ').enumerate().map(added).collect::<Vec<_>>().join(", "),
    );
    let [prompt, cached, completion, total, pages, seconds, characters] = sum.usage.counts().map(integer);
    let cost = integer(sum.usage.cost.map(|cost| cost.0));
    let (calls, unpriced) = (integer(Some(sum.calls)), integer(Some(sum.unpriced)));
    db.prepare_cached(&sql)?
        .execute(params![run, calls, unpriced, prompt, cached, completion, total, pages, seconds, characters, cost])?;
    Ok(())
}
