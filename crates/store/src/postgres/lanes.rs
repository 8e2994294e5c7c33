//! Lanes, cursors and runs.

use super::fault::Fault;
use super::rows::some_bytes;
use crate::{Lane, LaneId, Run};
use bytes::Bytes;
use model::{RunId, TaskKind};
use sqlx::{PgConnection, Row};
use std::collections::HashMap;

/// Numbers of lanes, in the order asked, made where they are new.
pub(super) async fn lanes(db: &mut PgConnection, names: &[(TaskKind, String)]) -> Result<Vec<LaneId>, Fault> {
    // Only where one is missing: each attempt to insert uses a number up.
    sqlx::query(
        "INSERT INTO lane (kind, name)
         SELECT kind, name FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS asked (kind, name, place)
         WHERE NOT EXISTS (SELECT FROM lane WHERE lane.kind = asked.kind AND lane.name = asked.name)
         ORDER BY place ON CONFLICT DO NOTHING",
    )
    .bind(names.iter().map(|(kind, _)| kind.as_str()).collect::<Vec<_>>())
    .bind(names.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>())
    .execute(&mut *db)
    .await?;
    let known: HashMap<_, _> = all(db).await?.into_iter().map(|lane| ((lane.kind, lane.name), lane.id)).collect();
    Ok(names.iter().filter_map(|name| known.get(name).copied()).collect())
}

/// Every lane, by number.
pub(super) async fn all(db: &mut PgConnection) -> Result<Vec<Lane>, Fault> {
    let rows = sqlx::query("SELECT id, kind, name FROM lane ORDER BY id").fetch_all(db).await?;
    let lanes = rows.iter().map(|row| {
        let kind = if row.try_get::<&str, _>(1)? == TaskKind::Pull.as_str() { TaskKind::Pull } else { TaskKind::Push };
        Ok(Lane { id: LaneId(row.try_get(0)?), kind, name: row.try_get(2)? })
    });
    lanes.collect()
}

/// Where an incoming goes on.
pub(super) async fn cursor(db: &mut PgConnection, lane: LaneId) -> Result<Option<Bytes>, Fault> {
    let row = sqlx::query("SELECT value FROM cursor WHERE lane = $1").bind(lane.0).fetch_optional(db).await?;
    Ok(row.map(|row| some_bytes(&row, 0)).transpose()?.flatten())
}

/// Runs, newest first.
pub(super) async fn runs(db: &mut PgConnection, lane: Option<LaneId>, limit: u32) -> Result<Vec<Run>, Fault> {
    let rows = sqlx::query(
        r#"SELECT id, lane, "trigger", started_at FROM run WHERE ($1::bigint IS NULL OR lane = $1)
           ORDER BY id DESC LIMIT $2"#,
    )
    .bind(lane.map(|lane| lane.0))
    .bind(i64::from(limit))
    .fetch_all(db)
    .await?;
    let runs = rows.iter().map(|row| {
        Ok(Run {
            id: RunId(row.try_get(0)?),
            lane: LaneId(row.try_get(1)?),
            trigger: row.try_get(2)?,
            started_at: row.try_get(3)?,
        })
    });
    runs.collect()
}

/// Runs of an incoming with open tasks, oldest first.
pub(super) async fn open_runs(db: &mut PgConnection, lane: Option<LaneId>) -> Result<Vec<RunId>, Fault> {
    let rows = sqlx::query(
        "SELECT DISTINCT tally.run FROM tally JOIN run ON run.id = tally.run
         WHERE state < 4 AND count > 0 AND ($1::bigint IS NULL OR run.lane = $1) ORDER BY tally.run",
    )
    .bind(lane.map(|lane| lane.0))
    .fetch_all(db)
    .await?;
    rows.iter().map(|row| Ok(RunId(row.try_get(0)?))).collect()
}
