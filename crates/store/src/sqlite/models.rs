//! Models: which there are, and which are in use.

use super::SqliteStore;
use super::rows::{bad, problem};
use crate::{ModelCheck, ModelUse, Models, ModelsSeen, SeenModel, StoreError};
use async_trait::async_trait;
use model::Millis;
use rusqlite::{Connection, Row, params};

#[async_trait]
impl Models for SqliteStore {
    async fn model_checks(&self) -> Result<Vec<ModelCheck>, StoreError> {
        self.read(|db| {
            let mut found =
                db.prepare_cached("SELECT client, due_at, checked_at, problem FROM model_check ORDER BY client")?;
            let rows = found.query_map([], |row| {
                let problem = problem(row, 3)?;
                Ok(ModelCheck { client: row.get(0)?, due_at: row.get(1)?, checked_at: row.get(2)?, problem })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn claim_model_check(
        &self,
        client: String,
        now: Millis,
        first: Millis,
        again: Millis,
    ) -> Result<bool, StoreError> {
        self.write(move |write| {
            write
                .db
                .prepare_cached("INSERT INTO model_check (client, due_at) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
                .execute(params![client, first])?;
            let claimed = write
                .db
                .prepare_cached("UPDATE model_check SET due_at = ?3 WHERE client = ?1 AND due_at <= ?2")?
                .execute(params![client, now, again])?;
            Ok(claimed == 1)
        })
        .await
    }

    async fn write_models(&self, seen: ModelsSeen) -> Result<(), StoreError> {
        self.write(move |write| keep(write.db, &seen)).await
    }

    async fn keep_model_clients(&self, clients: Vec<String>) -> Result<(), StoreError> {
        self.write(move |write| {
            let kept = serde_json::to_string(&clients).unwrap_or_default();
            for table in ["model_check", "model_seen", "key_refused"] {
                let sql = format!("DELETE FROM {table} WHERE client NOT IN (SELECT value FROM json_each(?1))");
                write.db.prepare_cached(&sql)?.execute([&kept])?;
            }
            Ok(())
        })
        .await
    }

    async fn models(&self) -> Result<Vec<SeenModel>, StoreError> {
        self.read(|db| {
            let mut found = db.prepare_cached(
                "SELECT client, id, aliases, created_at, retires_at, replacement, capabilities, seen_at
                 FROM model_seen ORDER BY client, id",
            )?;
            Ok(found.query_map([], seen_model)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn count_model_uses(&self, since: Millis) -> Result<Vec<ModelUse>, StoreError> {
        self.read(move |db| {
            // Counted by task first: lanes are looked up once for each.
            let mut found = db.prepare_cached(
                "SELECT model, coalesce(lane.name, '') AS route, sum(calls)
                 FROM (SELECT model, key >> 24 AS task, count(*) AS calls FROM attempt_end
                       WHERE at >= ?1 AND model IS NOT NULL GROUP BY 1, 2) AS used
                 LEFT JOIN task ON task.id = used.task LEFT JOIN lane ON lane.id = task.lane
                 GROUP BY 1, 2 ORDER BY 1, 2",
            )?;
            Ok(found.query_map([since], model_use)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn write_model_uses(&self, uses: Vec<ModelUse>) -> Result<(), StoreError> {
        self.write(move |write| {
            write.db.prepare_cached("DELETE FROM model_used")?.execute([])?;
            let mut insert =
                write.db.prepare_cached("INSERT INTO model_used (model, route, calls) VALUES (?1, ?2, ?3)")?;
            for one in &uses {
                insert.execute(params![one.model, one.route, i64::try_from(one.calls).unwrap_or(i64::MAX)])?;
            }
            Ok(())
        })
        .await
    }

    async fn model_uses(&self) -> Result<Vec<ModelUse>, StoreError> {
        self.read(|db| {
            let mut found = db.prepare_cached("SELECT model, route, calls FROM model_used ORDER BY model, route")?;
            Ok(found.query_map([], model_use)?.collect::<Result<_, _>>()?)
        })
        .await
    }
}

fn keep(db: &Connection, seen: &ModelsSeen) -> Result<(), StoreError> {
    let problem = seen.found.as_ref().err().and_then(|problem| serde_json::to_string(problem).ok());
    db.prepare_cached(
        "INSERT INTO model_check (client, due_at, checked_at, problem) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET due_at = excluded.due_at, checked_at = excluded.checked_at,
             problem = excluded.problem",
    )?
    .execute(params![seen.client, seen.due_at, seen.at, problem])?;
    let Ok(models) = &seen.found else { return Ok(()) };
    db.prepare_cached("DELETE FROM model_seen WHERE client = ?1")?.execute([&seen.client])?;
    let mut insert = db.prepare_cached(
        "INSERT INTO model_seen (client, id, aliases, created_at, retires_at, replacement, capabilities, seen_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING",
    )?;
    let list = |items: &[String]| serde_json::to_string(items).unwrap_or_default();
    for one in models {
        let (aliases, abilities) = (list(&one.aliases), list(&one.capabilities));
        insert.execute(params![
            seen.client,
            one.id,
            aliases,
            one.created_at,
            one.retires_at,
            one.replacement,
            abilities,
            seen.at
        ])?;
    }
    Ok(())
}

fn seen_model(row: &Row<'_>) -> rusqlite::Result<SeenModel> {
    let list = |column: usize| {
        let text: String = row.get(column)?;
        serde_json::from_str(&text).map_err(|error| bad(column, error.to_string()))
    };
    Ok(SeenModel {
        client: row.get(0)?,
        id: row.get(1)?,
        aliases: list(2)?,
        created_at: row.get(3)?,
        retires_at: row.get(4)?,
        replacement: row.get(5)?,
        capabilities: list(6)?,
        seen_at: row.get(7)?,
    })
}

fn model_use(row: &Row<'_>) -> rusqlite::Result<ModelUse> {
    Ok(ModelUse { model: row.get(0)?, route: row.get(1)?, calls: row.get::<_, i64>(2)?.unsigned_abs() })
}
