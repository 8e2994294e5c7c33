//! What triggers runs: how far schedules were seen to, and the addresses of webhooks.

use super::fault::Fault;
use crate::{LaneId, Schedule};
use model::Millis;
use sqlx::{PgConnection, Row};

/// What is known of schedules. Another line than before begins anew.
pub(super) async fn known(
    db: &mut PgConnection,
    lines: &[(String, String)],
    now: Millis,
) -> Result<Vec<Schedule>, Fault> {
    let mut known = Vec::with_capacity(lines.len());
    for (name, line) in lines {
        sqlx::query(
            "INSERT INTO schedule (name, line, since) VALUES ($1, $2, $3)
             ON CONFLICT (name) DO UPDATE SET line = excluded.line, since = excluded.since
             WHERE schedule.line <> excluded.line",
        )
        .bind(name)
        .bind(line)
        .bind(now)
        .execute(&mut *db)
        .await?;
        let row = sqlx::query("SELECT since, paused_at, paused_by FROM schedule WHERE name = $1")
            .bind(name)
            .fetch_one(&mut *db)
            .await?;
        let paused = row.try_get::<Option<i64>, _>(1)?.zip(row.try_get::<Option<String>, _>(2)?);
        known.push(Schedule { name: name.clone(), since: row.try_get(0)?, paused });
    }
    Ok(known)
}

/// Everything up to this time is seen to.
pub(super) async fn seen(db: &mut PgConnection, name: &str, slot: Millis) -> Result<(), Fault> {
    sqlx::query("UPDATE schedule SET since = greatest(since, $2) WHERE name = $1")
        .bind(name)
        .bind(slot)
        .execute(db)
        .await?;
    Ok(())
}

/// Pauses a schedule or lets it go on; `false` where it is not known.
pub(super) async fn pause(
    db: &mut PgConnection,
    name: &str,
    paused: Option<&(Millis, String)>,
    now: Millis,
) -> Result<bool, Fault> {
    let changed = match paused {
        Some((at, by)) => {
            sqlx::query(
                "UPDATE schedule SET paused_at = coalesce(paused_at, $2), paused_by = coalesce(paused_by, $3)
                 WHERE name = $1",
            )
            .bind(name)
            .bind(at)
            .bind(by)
            .execute(db)
            .await?
        }
        None => {
            sqlx::query(
                "UPDATE schedule SET since = CASE WHEN paused_at IS NULL THEN since ELSE $2 END,
                     paused_at = NULL, paused_by = NULL WHERE name = $1",
            )
            .bind(name)
            .bind(now)
            .execute(db)
            .await?
        }
    };
    Ok(changed.rows_affected() == 1)
}

/// The addresses of webhooks, made where they are new.
pub(super) async fn webhook_paths(db: &mut PgConnection, lanes: &[LaneId]) -> Result<Vec<String>, Fault> {
    let mut paths = Vec::with_capacity(lanes.len());
    for lane in lanes {
        // Two halves of random UUIDs: 122 random bits each, of which 64 are taken.
        sqlx::query(
            "INSERT INTO webhook (lane, path)
             VALUES ($1, right(replace(gen_random_uuid()::text, '-', ''), 16)
                         || right(replace(gen_random_uuid()::text, '-', ''), 16))
             ON CONFLICT DO NOTHING",
        )
        .bind(lane.0)
        .execute(&mut *db)
        .await?;
        let row = sqlx::query("SELECT path FROM webhook WHERE lane = $1").bind(lane.0).fetch_one(&mut *db).await?;
        paths.push(row.try_get(0)?);
    }
    Ok(paths)
}
