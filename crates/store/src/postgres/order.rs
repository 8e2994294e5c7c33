//! Tasks of one order key: one at a time, in the order of their numbers.
//!
//! Who inserts or ends tasks of a key locks it first, until the commit: else one who inserts might not see that the
//! task before has just ended, and the new one would be held for ever.

use super::fault::Fault;
use crate::NewTask;
use sqlx::PgConnection;

/// Locks the keys of tasks that are to be inserted.
pub(super) async fn lock_new(db: &mut PgConnection, tasks: &[&NewTask]) -> Result<(), Fault> {
    let keyed: Vec<_> = tasks.iter().filter_map(|task| Some((task.lane.0, task.order_key.as_ref()?))).collect();
    if keyed.is_empty() {
        return Ok(());
    }
    // In one order, so that two who lock the same keys do not wait in a circle.
    sqlx::query(
        "SELECT pg_advisory_xact_lock(number) FROM (
             SELECT DISTINCT hashtextextended(lane::text || '/' || encode(key, 'hex'), 0) AS number
             FROM unnest($1::bigint[], $2::bytea[]) AS given (lane, key) ORDER BY 1
         ) AS numbers",
    )
    .bind(keyed.iter().map(|(lane, _)| *lane).collect::<Vec<_>>())
    .bind(keyed.iter().map(|(_, key)| key.as_bytes()).collect::<Vec<_>>())
    .execute(db)
    .await?;
    Ok(())
}

/// Locks the keys of tasks that are there.
pub(super) async fn lock(db: &mut PgConnection, tasks: &[i64]) -> Result<(), Fault> {
    sqlx::query(
        "SELECT pg_advisory_xact_lock(number) FROM (
             SELECT DISTINCT hashtextextended(lane::text || '/' || encode(order_key, 'hex'), 0) AS number
             FROM task WHERE id = ANY ($1) AND order_key IS NOT NULL ORDER BY 1
         ) AS numbers",
    )
    .bind(tasks)
    .execute(db)
    .await?;
    Ok(())
}

/// After the end of tasks whose keys are locked: the next one of each key can be claimed.
pub(super) async fn let_next_go(db: &mut PgConnection, ended: &[i64]) -> Result<(), Fault> {
    if ended.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE task SET held = false FROM (
             SELECT (SELECT min(open.id) FROM task AS open
                     WHERE open.lane = ended.lane AND open.order_key = ended.order_key AND open.order_key IS NOT NULL
                       AND open.state < 4) AS id
             FROM task AS ended WHERE ended.id = ANY ($1) AND ended.order_key IS NOT NULL
         ) AS next
         WHERE task.id = next.id AND task.held",
    )
    .bind(ended)
    .execute(db)
    .await?;
    Ok(())
}
