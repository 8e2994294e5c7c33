//! Models: which there are, and which are in use.

use super::PostgresStore;
use super::fault::Fault;
use super::rows::{bad, problem};
use crate::{ModelCheck, ModelUse, Models, ModelsSeen, SeenModel, StoreError};
use async_trait::async_trait;
use model::Millis;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};

#[async_trait]
impl Models for PostgresStore {
    async fn model_checks(&self) -> Result<Vec<ModelCheck>, StoreError> {
        self.server
            .read((), |db, ()| {
                Box::pin(async move {
                    let sql = "SELECT client, due_at, checked_at, problem FROM model_check ORDER BY client";
                    let rows = sqlx::query(sql).fetch_all(db).await?;
                    let check = |row: &PgRow| {
                        Ok(ModelCheck {
                            client: row.try_get(0)?,
                            due_at: row.try_get(1)?,
                            checked_at: row.try_get(2)?,
                            problem: problem(row, 3)?,
                        })
                    };
                    rows.iter().map(check).collect()
                })
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
        self.server
            .write((client, now, first, again), |write, (client, now, first, again)| {
                Box::pin(async move {
                    let new = "INSERT INTO model_check (client, due_at) VALUES ($1, $2) ON CONFLICT DO NOTHING";
                    sqlx::query(new).bind(client).bind(first).execute(write.db()).await?;
                    let claim = "UPDATE model_check SET due_at = $3 WHERE client = $1 AND due_at <= $2";
                    let claimed = sqlx::query(claim).bind(client).bind(now).bind(again).execute(write.db()).await?;
                    Ok(claimed.rows_affected() == 1)
                })
            })
            .await
    }

    async fn write_models(&self, seen: ModelsSeen) -> Result<(), StoreError> {
        self.server.write(seen, |write, seen| Box::pin(keep(write.db(), seen))).await
    }

    async fn keep_model_clients(&self, clients: Vec<String>) -> Result<(), StoreError> {
        self.server
            .write(clients, |write, clients| {
                Box::pin(async move {
                    for table in ["model_check", "model_seen", "key_refused"] {
                        let sql = format!("DELETE FROM {table} WHERE client <> ALL($1)");
                        sqlx::query(AssertSqlSafe(sql)).bind(clients).execute(write.db()).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    async fn models(&self) -> Result<Vec<SeenModel>, StoreError> {
        self.server
            .read((), |db, ()| {
                Box::pin(async move {
                    let rows = sqlx::query(
                        "SELECT client, id, aliases, created_at, retires_at, replacement, capabilities, seen_at
                         FROM model_seen ORDER BY client, id",
                    )
                    .fetch_all(db)
                    .await?;
                    rows.iter().map(seen_model).collect()
                })
            })
            .await
    }

    async fn count_model_uses(&self, since: Millis) -> Result<Vec<ModelUse>, StoreError> {
        self.server
            .slow()
            .read(since, |db, since| {
                Box::pin(async move {
                    // Counted by task first: lanes are looked up once for each.
                    let rows = sqlx::query(
                        "SELECT convert_from(model, 'UTF8') COLLATE \"C\", coalesce(lane.name, '') AS route,
                                sum(calls)::bigint
                         FROM (SELECT model, key >> 24 AS task, count(*) AS calls FROM attempt_end
                               WHERE at >= $1 AND model IS NOT NULL GROUP BY 1, 2) AS used
                         LEFT JOIN task ON task.id = used.task LEFT JOIN lane ON lane.id = task.lane
                         GROUP BY 1, 2 ORDER BY 1, 2",
                    )
                    .bind(since)
                    .fetch_all(db)
                    .await?;
                    rows.iter().map(model_use).collect()
                })
            })
            .await
    }

    async fn write_model_uses(&self, uses: Vec<ModelUse>) -> Result<(), StoreError> {
        self.server
            .write(uses, |write, uses| {
                Box::pin(async move {
                    sqlx::query("DELETE FROM model_used").execute(write.db()).await?;
                    for one in uses {
                        sqlx::query("INSERT INTO model_used (model, route, calls) VALUES ($1, $2, $3)")
                            .bind(&one.model)
                            .bind(&one.route)
                            .bind(i64::try_from(one.calls).unwrap_or(i64::MAX))
                            .execute(write.db())
                            .await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    async fn model_uses(&self) -> Result<Vec<ModelUse>, StoreError> {
        self.server
            .read((), |db, ()| {
                Box::pin(async move {
                    let sql = "SELECT model, route, calls FROM model_used ORDER BY model, route";
                    let rows = sqlx::query(sql).fetch_all(db).await?;
                    rows.iter().map(model_use).collect()
                })
            })
            .await
    }
}

async fn keep(db: &mut PgConnection, seen: &ModelsSeen) -> Result<(), Fault> {
    sqlx::query(
        "INSERT INTO model_check (client, due_at, checked_at, problem) VALUES ($1, $2, $3, $4)
         ON CONFLICT (client) DO UPDATE SET due_at = excluded.due_at, checked_at = excluded.checked_at,
             problem = excluded.problem",
    )
    .bind(&seen.client)
    .bind(seen.due_at)
    .bind(seen.at)
    .bind(seen.found.as_ref().err().and_then(|problem| serde_json::to_string(problem).ok()))
    .execute(&mut *db)
    .await?;
    let Ok(models) = &seen.found else { return Ok(()) };
    sqlx::query("DELETE FROM model_seen WHERE client = $1").bind(&seen.client).execute(&mut *db).await?;
    let list = |items: &[String]| serde_json::to_string(items).unwrap_or_default();
    for one in models {
        sqlx::query(
            "INSERT INTO model_seen (client, id, aliases, created_at, retires_at, replacement, capabilities, seen_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
        )
        .bind(&seen.client)
        .bind(&one.id)
        .bind(list(&one.aliases))
        .bind(one.created_at)
        .bind(one.retires_at)
        .bind(&one.replacement)
        .bind(list(&one.capabilities))
        .bind(seen.at)
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

fn seen_model(row: &PgRow) -> Result<SeenModel, Fault> {
    let list = |column: usize| {
        let text: &str = row.try_get(column)?;
        serde_json::from_str(text).map_err(|error| bad(error.to_string()))
    };
    Ok(SeenModel {
        client: row.try_get(0)?,
        id: row.try_get(1)?,
        aliases: list(2)?,
        created_at: row.try_get(3)?,
        retires_at: row.try_get(4)?,
        replacement: row.try_get(5)?,
        capabilities: list(6)?,
        seen_at: row.try_get(7)?,
    })
}

fn model_use(row: &PgRow) -> Result<ModelUse, Fault> {
    let calls = row.try_get::<i64, _>(2)?.unsigned_abs();
    Ok(ModelUse { model: row.try_get(0)?, route: row.try_get(1)?, calls })
}
