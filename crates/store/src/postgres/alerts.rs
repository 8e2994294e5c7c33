//! Alerts: their state, their messages, and facts for them.

use super::PostgresStore;
use super::fault::Fault;
use super::people::record;
use super::rows::problem;
use crate::alerts::{self, KEPT_MESSAGES};
use crate::{
    AlertChange, AlertMessage, AlertRow, AlertSend, Alerts, AuditEntry, DayDrawn, KeyRefused, LaneId, NewMessage,
    SendEnd, SendStory, StoreError,
};
use async_trait::async_trait;
use model::Millis;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};

const DAY: Millis = 86_400_000;
/// Columns of a send and its message.
const SEND: &str = "alert_send.id, message, alert, what, at, body, place, shown, attempt";

#[async_trait]
impl Alerts for PostgresStore {
    async fn take_turn(&self, what: String, engine: String, now: Millis, until: Millis) -> Result<bool, StoreError> {
        self.server
            .write((what, engine, now, until), |write, (what, engine, now, until)| {
                Box::pin(async move {
                    let taken = sqlx::query(
                        "INSERT INTO turn (what, engine, until) VALUES ($1, $2, $4)
                         ON CONFLICT (what) DO UPDATE SET engine = excluded.engine, until = excluded.until
                         WHERE turn.engine = $2 OR turn.until <= $3",
                    )
                    .bind(what)
                    .bind(engine)
                    .bind(now)
                    .bind(until)
                    .execute(write.db())
                    .await?;
                    Ok(taken.rows_affected() == 1)
                })
            })
            .await
    }

    async fn alert_rows(&self) -> Result<Vec<AlertRow>, StoreError> {
        self.server.read((), |db, ()| Box::pin(rows(db))).await
    }

    async fn change_alerts(&self, changes: Vec<AlertChange>) -> Result<Vec<bool>, StoreError> {
        self.server
            .write(changes, |write, changes| {
                Box::pin(async move {
                    let mut written = Vec::with_capacity(changes.len());
                    for one in changes {
                        written.push(change(write.db(), one).await?);
                    }
                    Ok(written)
                })
            })
            .await
    }

    async fn forget_alerts(&self, names: Vec<String>, now: Millis) -> Result<(), StoreError> {
        self.server.write((names, now), |write, (names, now)| Box::pin(forget(write.db(), names, *now))).await
    }

    async fn mute_alert(
        &self,
        name: String,
        muted: Option<(Millis, String)>,
        audit: AuditEntry,
    ) -> Result<(), StoreError> {
        self.server
            .write((name, muted, audit), |write, (name, muted, audit)| {
                Box::pin(async move {
                    let (until, by) = muted.clone().unzip();
                    sqlx::query(
                        "INSERT INTO alert (name, rule, state, version, muted_until, muted_by)
                         VALUES ($1, '', '', 0, $2, $3) ON CONFLICT (name)
                         DO UPDATE SET muted_until = excluded.muted_until, muted_by = excluded.muted_by",
                    )
                    .bind(name)
                    .bind(until)
                    .bind(by)
                    .execute(write.db())
                    .await?;
                    record(write.db(), std::slice::from_ref(audit)).await
                })
            })
            .await
    }

    async fn say_claimed(
        &self,
        message: NewMessage,
        lease_until: Millis,
        audit: AuditEntry,
    ) -> Result<Vec<AlertSend>, StoreError> {
        self.server
            .write((message, lease_until, audit), |write, (message, lease_until, audit)| {
                Box::pin(async move {
                    let id = say(write.db(), message, Some(*lease_until)).await?;
                    record(write.db(), std::slice::from_ref(audit)).await?;
                    let sql = format!(
                        "SELECT {SEND} FROM alert_send JOIN alert_message ON alert_message.id = message
                         WHERE message = $1 ORDER BY place"
                    );
                    let rows = sqlx::query(AssertSqlSafe(sql)).bind(id).fetch_all(write.db()).await?;
                    rows.iter().map(send).collect()
                })
            })
            .await
    }

    async fn next_send(&self) -> Result<Option<Millis>, StoreError> {
        self.server
            .read((), |db, ()| {
                Box::pin(async move {
                    let sql = "SELECT min(due_at) FROM alert_send WHERE due_at IS NOT NULL";
                    Ok(sqlx::query(sql).fetch_one(db).await?.try_get(0)?)
                })
            })
            .await
    }

    async fn claim_sends(&self, now: Millis, lease_until: Millis, most: u32) -> Result<Vec<AlertSend>, StoreError> {
        self.server
            .write((now, lease_until, most), |write, (now, until, most)| {
                Box::pin(claim(write.db(), *now, *until, *most))
            })
            .await
    }

    async fn end_send(&self, id: i64, attempt: u32, end: SendEnd, now: Millis) -> Result<bool, StoreError> {
        self.server
            .write((id, attempt, end, now), |write, (id, attempt, end, now)| {
                Box::pin(async move {
                    let (state, due_at, ended_at, problem) = alerts::ended(end, *now);
                    let changed = sqlx::query(
                        "UPDATE alert_send SET state = $3, due_at = $4, ended_at = $5, problem = $6
                         WHERE id = $1 AND attempt = $2 AND state = 'sending'",
                    )
                    .bind(id)
                    .bind(i64::from(*attempt))
                    .bind(state)
                    .bind(due_at)
                    .bind(ended_at)
                    .bind(problem)
                    .execute(write.db())
                    .await?;
                    Ok(changed.rows_affected() == 1)
                })
            })
            .await
    }

    async fn alert_messages(
        &self,
        alert: Option<String>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AlertMessage>, StoreError> {
        let limit = limit.min(KEPT_MESSAGES);
        self.server
            .read((alert, before.unwrap_or(i64::MAX), limit), |db, (alert, before, limit)| {
                Box::pin(messages(db, alert.as_deref(), *before, *limit))
            })
            .await
    }

    async fn failed_since(&self, since: Millis) -> Result<Vec<(LaneId, u64)>, StoreError> {
        self.server
            .read(since, |db, since| {
                Box::pin(async move {
                    let rows = sqlx::query(
                        "SELECT lane, count(*) FROM task WHERE state = 5 AND finished_at >= $1
                         GROUP BY lane ORDER BY lane",
                    )
                    .bind(since)
                    .fetch_all(db)
                    .await?;
                    rows.iter().map(|row| Ok((LaneId(row.try_get(0)?), count(row, 1)?))).collect()
                })
            })
            .await
    }

    async fn drawn_of_day(&self, now: Millis) -> Result<Vec<DayDrawn>, StoreError> {
        self.server
            .read(now.div_euclid(DAY), |db, day| {
                Box::pin(async move {
                    let sql = "SELECT client, calls, cost FROM drawn WHERE day = $1 ORDER BY client";
                    let rows = sqlx::query(sql).bind(day).fetch_all(db).await?;
                    let day = |row: &PgRow| {
                        Ok(DayDrawn { client: row.try_get(0)?, calls: count(row, 1)?, cost: count(row, 2)? })
                    };
                    rows.iter().map(day).collect()
                })
            })
            .await
    }

    async fn note_keys(&self, keys: Vec<(String, Option<u16>)>, now: Millis) -> Result<(), StoreError> {
        self.server
            .write((keys, now), |write, (keys, now)| {
                Box::pin(async move {
                    for (client, status) in keys {
                        let noted = match status {
                            Some(status) => sqlx::query(
                                "INSERT INTO key_refused (client, status, since) VALUES ($1, $2, $3)
                                 ON CONFLICT (client) DO UPDATE SET status = excluded.status",
                            )
                            .bind(client)
                            .bind(i64::from(*status))
                            .bind(now),
                            None => sqlx::query("DELETE FROM key_refused WHERE client = $1").bind(client),
                        };
                        noted.execute(write.db()).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    async fn keys_refused(&self) -> Result<Vec<KeyRefused>, StoreError> {
        self.server
            .read((), |db, ()| {
                Box::pin(async move {
                    let sql = "SELECT client, status, since FROM key_refused ORDER BY client";
                    let rows = sqlx::query(sql).fetch_all(db).await?;
                    let refused = |row: &PgRow| {
                        let status = u16::try_from(row.try_get::<i64, _>(1)?).unwrap_or_default();
                        Ok(KeyRefused { client: row.try_get(0)?, status, since: row.try_get(2)? })
                    };
                    rows.iter().map(refused).collect()
                })
            })
            .await
    }
}

async fn rows(db: &mut PgConnection) -> Result<Vec<AlertRow>, Fault> {
    let sql = "SELECT name, rule, state, version, muted_until, muted_by FROM alert ORDER BY name";
    let rows = sqlx::query(sql).fetch_all(db).await?;
    let alert = |row: &PgRow| {
        Ok(AlertRow {
            name: row.try_get(0)?,
            rule: row.try_get(1)?,
            state: row.try_get(2)?,
            version: row.try_get(3)?,
            muted: row.try_get::<Option<Millis>, _>(4)?.zip(row.try_get(5)?),
        })
    };
    rows.iter().map(alert).collect()
}

async fn change(db: &mut PgConnection, change: &AlertChange) -> Result<bool, Fault> {
    let written = sqlx::query(
        "INSERT INTO alert (name, rule, state, version) SELECT $1, $2, $3, $4::bigint + 1
         WHERE $4 = 0 OR EXISTS (SELECT 1 FROM alert WHERE name = $1)
         ON CONFLICT (name) DO UPDATE SET rule = excluded.rule, state = excluded.state, version = excluded.version
         WHERE alert.version = $4",
    )
    .bind(&change.name)
    .bind(&change.rule)
    .bind(&change.state)
    .bind(change.version)
    .execute(&mut *db)
    .await?;
    let is_written = written.rows_affected() == 1;
    if is_written && let Some(message) = &change.message {
        say(db, message, None).await?;
    }
    Ok(is_written)
}

/// Adds a message and a send for each target: due at once, or claimed.
async fn say(db: &mut PgConnection, message: &NewMessage, lease_until: Option<Millis>) -> Result<i64, Fault> {
    let sql = "INSERT INTO alert_message (alert, what, at, body) VALUES ($1, $2, $3, $4) RETURNING id";
    let inserted = sqlx::query(sql).bind(&message.alert).bind(&message.what).bind(message.at).bind(&message.body);
    let id: i64 = inserted.fetch_one(&mut *db).await?.try_get(0)?;
    let (state, attempt) = if lease_until.is_some() { ("sending", 1_i64) } else { ("due", 0) };
    for (place, shown) in (0_i64..).zip(&message.targets) {
        sqlx::query(
            "INSERT INTO alert_send (message, place, shown, state, attempt, due_at) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(id)
        .bind(place)
        .bind(shown)
        .bind(state)
        .bind(attempt)
        .bind(lease_until.unwrap_or(message.at))
        .execute(&mut *db)
        .await?;
    }
    // Only the latest are kept.
    let old = "alert = $1 AND id <= (SELECT id FROM alert_message WHERE alert = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)";
    let sends = format!("DELETE FROM alert_send WHERE message IN (SELECT id FROM alert_message WHERE {old})");
    for sql in [sends, format!("DELETE FROM alert_message WHERE {old}")] {
        let deleted = sqlx::query(AssertSqlSafe(sql)).bind(&message.alert).bind(i64::from(KEPT_MESSAGES));
        deleted.execute(&mut *db).await?;
    }
    Ok(id)
}

async fn forget(db: &mut PgConnection, names: &[String], now: Millis) -> Result<(), Fault> {
    sqlx::query("DELETE FROM alert WHERE name = ANY($1)").bind(names).execute(&mut *db).await?;
    sqlx::query(
        "UPDATE alert_send SET state = 'failed', due_at = NULL, ended_at = $2, problem = $3
         WHERE state = 'due' AND message IN (SELECT id FROM alert_message WHERE alert = ANY($1))",
    )
    .bind(names)
    .bind(now)
    .bind(serde_json::to_string(&alerts::forgotten()).unwrap_or_default())
    .execute(db)
    .await?;
    Ok(())
}

async fn claim(db: &mut PgConnection, now: Millis, until: Millis, most: u32) -> Result<Vec<AlertSend>, Fault> {
    sqlx::query(
        "UPDATE alert_send SET state = 'unknown', due_at = NULL, ended_at = $1, problem = $2
         WHERE due_at <= $1 AND state = 'sending'",
    )
    .bind(now)
    .bind(serde_json::to_string(&alerts::overdue()).unwrap_or_default())
    .execute(&mut *db)
    .await?;
    let sql = format!(
        "WITH claimed AS (
             UPDATE alert_send SET state = 'sending', attempt = attempt + 1, due_at = $2
             WHERE id IN (SELECT id FROM alert_send WHERE due_at <= $1 AND state = 'due' ORDER BY due_at, id LIMIT $3
                          FOR UPDATE SKIP LOCKED)
             RETURNING *
         ) SELECT {} FROM claimed JOIN alert_message ON alert_message.id = message ORDER BY claimed.id",
        SEND.replace("alert_send.", "claimed."),
    );
    let claimed = sqlx::query(AssertSqlSafe(sql)).bind(now).bind(until).bind(i64::from(most)).fetch_all(db).await?;
    claimed.iter().map(send).collect()
}

async fn messages(
    db: &mut PgConnection,
    alert: Option<&str>,
    before: i64,
    limit: u32,
) -> Result<Vec<AlertMessage>, Fault> {
    let rows = sqlx::query(
        "SELECT id, alert, what, at, body FROM alert_message WHERE ($1::text IS NULL OR alert = $1) AND id < $2
         ORDER BY id DESC LIMIT $3",
    )
    .bind(alert)
    .bind(before)
    .bind(i64::from(limit))
    .fetch_all(&mut *db)
    .await?;
    let mut messages = Vec::with_capacity(rows.len());
    for row in rows {
        let id = row.try_get(0)?;
        let sends = sqlx::query(
            "SELECT shown, state, attempt, due_at, ended_at, problem FROM alert_send WHERE message = $1 ORDER BY place",
        )
        .bind(id)
        .fetch_all(&mut *db)
        .await?;
        messages.push(AlertMessage {
            id,
            alert: row.try_get(1)?,
            what: row.try_get(2)?,
            at: row.try_get(3)?,
            body: row.try_get(4)?,
            sends: sends.iter().map(story).collect::<Result<_, Fault>>()?,
        });
    }
    Ok(messages)
}

fn story(row: &PgRow) -> Result<SendStory, Fault> {
    Ok(SendStory {
        shown: row.try_get(0)?,
        state: row.try_get(1)?,
        attempts: number(row, 2)?,
        due_at: row.try_get(3)?,
        ended_at: row.try_get(4)?,
        problem: problem(row, 5)?,
    })
}

fn send(row: &PgRow) -> Result<AlertSend, Fault> {
    Ok(AlertSend {
        id: row.try_get(0)?,
        message: row.try_get(1)?,
        alert: row.try_get(2)?,
        what: row.try_get(3)?,
        at: row.try_get(4)?,
        body: row.try_get(5)?,
        place: usize::try_from(row.try_get::<i64, _>(6)?).unwrap_or(usize::MAX),
        shown: row.try_get(7)?,
        attempt: number(row, 8)?,
    })
}

fn number(row: &PgRow, column: usize) -> Result<u32, Fault> {
    Ok(u32::try_from(row.try_get::<i64, _>(column)?).unwrap_or(u32::MAX))
}

fn count(row: &PgRow, column: usize) -> Result<u64, Fault> {
    Ok(row.try_get::<i64, _>(column)?.unsigned_abs())
}
