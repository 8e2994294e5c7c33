//! Alerts: their state, their messages, and facts for them.

use super::SqliteStore;
use super::people::record;
use super::rows::problem;
use crate::alerts::{self, KEPT_MESSAGES};
use crate::{
    AlertChange, AlertMessage, AlertRow, AlertSend, Alerts, AuditEntry, DayDrawn, KeyRefused, LaneId, NewMessage,
    SendEnd, SendStory, StoreError,
};
use async_trait::async_trait;
use model::Millis;
use rusqlite::{Connection, Row, params};

const DAY: Millis = 86_400_000;
/// Columns of a send and its message.
const SEND: &str = "alert_send.id, message, alert, what, at, body, place, shown, attempt";

#[async_trait]
impl Alerts for SqliteStore {
    async fn take_turn(&self, what: String, engine: String, now: Millis, until: Millis) -> Result<bool, StoreError> {
        self.write(move |write| {
            let taken = write
                .db
                .prepare_cached(
                    "INSERT INTO turn (what, engine, until) VALUES (?1, ?2, ?4)
                     ON CONFLICT DO UPDATE SET engine = excluded.engine, until = excluded.until
                     WHERE turn.engine = ?2 OR turn.until <= ?3",
                )?
                .execute(params![what, engine, now, until])?;
            Ok(taken == 1)
        })
        .await
    }

    async fn alert_rows(&self) -> Result<Vec<AlertRow>, StoreError> {
        self.read(rows).await
    }

    async fn change_alerts(&self, changes: Vec<AlertChange>) -> Result<Vec<bool>, StoreError> {
        self.write(move |write| changes.iter().map(|one| change(write.db, one)).collect()).await
    }

    async fn forget_alerts(&self, names: Vec<String>, now: Millis) -> Result<(), StoreError> {
        self.write(move |write| names.iter().try_for_each(|name| forget(write.db, name, now))).await
    }

    async fn mute_alert(
        &self,
        name: String,
        muted: Option<(Millis, String)>,
        audit: AuditEntry,
    ) -> Result<(), StoreError> {
        self.write(move |write| {
            let (until, by) = muted.unzip();
            write
                .db
                .prepare_cached(
                    "INSERT INTO alert (name, rule, state, version, muted_until, muted_by) VALUES (?1, '', '', 0, ?2, ?3)
                     ON CONFLICT DO UPDATE SET muted_until = excluded.muted_until, muted_by = excluded.muted_by",
                )?
                .execute(params![name, until, by])?;
            record(write.db, &[audit])
        })
        .await
    }

    async fn say_claimed(
        &self,
        message: NewMessage,
        lease_until: Millis,
        audit: AuditEntry,
    ) -> Result<Vec<AlertSend>, StoreError> {
        self.write(move |write| {
            let id = say(write.db, &message, Some(lease_until))?;
            record(write.db, &[audit])?;
            let sql = format!(
                "SELECT {SEND} FROM alert_send JOIN alert_message ON alert_message.id = message
                 WHERE message = ?1 ORDER BY place"
            );
            let mut found = write.db.prepare_cached(&sql)?;
            Ok(found.query_map([id], send)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn next_send(&self) -> Result<Option<Millis>, StoreError> {
        self.read(|db| {
            let sql = "SELECT min(due_at) FROM alert_send WHERE due_at IS NOT NULL";
            Ok(db.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
        })
        .await
    }

    async fn claim_sends(&self, now: Millis, lease_until: Millis, most: u32) -> Result<Vec<AlertSend>, StoreError> {
        self.write(move |write| claim(write.db, now, lease_until, most)).await
    }

    async fn end_send(&self, id: i64, attempt: u32, end: SendEnd, now: Millis) -> Result<bool, StoreError> {
        self.write(move |write| {
            let (state, due_at, ended_at, problem) = alerts::ended(&end, now);
            let changed = write
                .db
                .prepare_cached(
                    "UPDATE alert_send SET state = ?3, due_at = ?4, ended_at = ?5, problem = ?6
                     WHERE id = ?1 AND attempt = ?2 AND state = 'sending'",
                )?
                .execute(params![id, attempt, state, due_at, ended_at, problem])?;
            Ok(changed == 1)
        })
        .await
    }

    async fn alert_messages(
        &self,
        alert: Option<String>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AlertMessage>, StoreError> {
        self.read(move |db| messages(db, alert.as_deref(), before.unwrap_or(i64::MAX), limit.min(KEPT_MESSAGES))).await
    }

    async fn failed_since(&self, since: Millis) -> Result<Vec<(LaneId, u64)>, StoreError> {
        self.read(move |db| {
            let mut found = db.prepare_cached(
                "SELECT lane, count(*) FROM task INDEXED BY task_failed WHERE state = 5 AND finished_at >= ?1
                 GROUP BY lane ORDER BY lane",
            )?;
            let rows = found.query_map([since], |row| Ok((LaneId(row.get(0)?), count(row, 1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn drawn_of_day(&self, now: Millis) -> Result<Vec<DayDrawn>, StoreError> {
        self.read(move |db| {
            let mut found =
                db.prepare_cached("SELECT client, calls, cost FROM drawn WHERE day = ?1 ORDER BY client")?;
            let rows = found.query_map([now.div_euclid(DAY)], |row| {
                Ok(DayDrawn { client: row.get(0)?, calls: count(row, 1)?, cost: count(row, 2)? })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn note_keys(&self, keys: Vec<(String, Option<u16>)>, now: Millis) -> Result<(), StoreError> {
        self.write(move |write| {
            for (client, status) in &keys {
                match status {
                    Some(status) => write
                        .db
                        .prepare_cached(
                            "INSERT INTO key_refused (client, status, since) VALUES (?1, ?2, ?3)
                             ON CONFLICT DO UPDATE SET status = excluded.status",
                        )?
                        .execute(params![client, status, now])?,
                    None => write.db.prepare_cached("DELETE FROM key_refused WHERE client = ?1")?.execute([client])?,
                };
            }
            Ok(())
        })
        .await
    }

    async fn keys_refused(&self) -> Result<Vec<KeyRefused>, StoreError> {
        self.read(|db| {
            let mut found = db.prepare_cached("SELECT client, status, since FROM key_refused ORDER BY client")?;
            let rows = found
                .query_map([], |row| Ok(KeyRefused { client: row.get(0)?, status: row.get(1)?, since: row.get(2)? }))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }
}

fn rows(db: &Connection) -> Result<Vec<AlertRow>, StoreError> {
    let mut found =
        db.prepare_cached("SELECT name, rule, state, version, muted_until, muted_by FROM alert ORDER BY name")?;
    let rows = found.query_map([], |row| {
        Ok(AlertRow {
            name: row.get(0)?,
            rule: row.get(1)?,
            state: row.get(2)?,
            version: row.get(3)?,
            muted: row.get::<_, Option<Millis>>(4)?.zip(row.get(5)?),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn change(db: &Connection, change: &AlertChange) -> Result<bool, StoreError> {
    let written = db
        .prepare_cached(
            "INSERT INTO alert (name, rule, state, version) SELECT ?1, ?2, ?3, ?4 + 1
             WHERE ?4 = 0 OR EXISTS (SELECT 1 FROM alert WHERE name = ?1)
             ON CONFLICT DO UPDATE SET rule = excluded.rule, state = excluded.state, version = excluded.version
             WHERE alert.version = ?4",
        )?
        .execute(params![change.name, change.rule, change.state, change.version])?;
    if written == 1
        && let Some(message) = &change.message
    {
        say(db, message, None)?;
    }
    Ok(written == 1)
}

/// Adds a message and a send for each target: due at once, or claimed.
fn say(db: &Connection, message: &NewMessage, lease_until: Option<Millis>) -> Result<i64, StoreError> {
    let NewMessage { alert, what, at, body, targets } = message;
    let id: i64 = db
        .prepare_cached("INSERT INTO alert_message (alert, what, at, body) VALUES (?1, ?2, ?3, ?4) RETURNING id")?
        .query_row(params![alert, what, at, body], |row| row.get(0))?;
    let (state, attempt) = if lease_until.is_some() { ("sending", 1) } else { ("due", 0) };
    let mut insert = db.prepare_cached(
        "INSERT INTO alert_send (message, place, shown, state, attempt, due_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for (place, shown) in (0_i64..).zip(targets) {
        insert.execute(params![id, place, shown, state, attempt, lease_until.unwrap_or(*at)])?;
    }
    // Only the latest are kept.
    let old = "alert = ?1 AND id <= (SELECT id FROM alert_message WHERE alert = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)";
    let sends = format!("DELETE FROM alert_send WHERE message IN (SELECT id FROM alert_message WHERE {old})");
    db.prepare_cached(&sends)?.execute(params![alert, KEPT_MESSAGES])?;
    db.prepare_cached(&format!("DELETE FROM alert_message WHERE {old}"))?.execute(params![alert, KEPT_MESSAGES])?;
    Ok(id)
}

fn forget(db: &Connection, name: &str, now: Millis) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM alert WHERE name = ?1")?.execute([name])?;
    let why = serde_json::to_string(&alerts::forgotten()).unwrap_or_default();
    db.prepare_cached(
        "UPDATE alert_send SET state = 'failed', due_at = NULL, ended_at = ?2, problem = ?3
         WHERE state = 'due' AND message IN (SELECT id FROM alert_message WHERE alert = ?1)",
    )?
    .execute(params![name, now, why])?;
    Ok(())
}

fn claim(db: &Connection, now: Millis, lease_until: Millis, most: u32) -> Result<Vec<AlertSend>, StoreError> {
    let why = serde_json::to_string(&alerts::overdue()).unwrap_or_default();
    db.prepare_cached(
        "UPDATE alert_send SET state = 'unknown', due_at = NULL, ended_at = ?1, problem = ?2
         WHERE due_at <= ?1 AND state = 'sending'",
    )?
    .execute(params![now, why])?;
    let sql = format!(
        "SELECT {SEND} FROM alert_send JOIN alert_message ON alert_message.id = message
         WHERE due_at <= ?1 AND state = 'due' ORDER BY due_at, alert_send.id LIMIT ?2"
    );
    let due: Vec<AlertSend> =
        db.prepare_cached(&sql)?.query_map(params![now, most], send)?.collect::<Result<_, _>>()?;
    let mut update =
        db.prepare_cached("UPDATE alert_send SET state = 'sending', attempt = attempt + 1, due_at = ?2 WHERE id = ?1")?;
    let mut claimed = Vec::with_capacity(due.len());
    for one in due {
        update.execute(params![one.id, lease_until])?;
        claimed.push(AlertSend { attempt: one.attempt + 1, ..one });
    }
    Ok(claimed)
}

fn messages(db: &Connection, alert: Option<&str>, before: i64, limit: u32) -> Result<Vec<AlertMessage>, StoreError> {
    let sql = match alert {
        Some(_) => {
            "SELECT id, alert, what, at, body FROM alert_message WHERE alert = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3"
        }
        None => {
            "SELECT id, alert, what, at, body FROM alert_message WHERE ?1 IS NULL AND id < ?2 ORDER BY id DESC LIMIT ?3"
        }
    };
    let mut found = db.prepare_cached(sql)?;
    let rows = found.query_map(params![alert, before, limit], |row| {
        Ok(AlertMessage {
            id: row.get(0)?,
            alert: row.get(1)?,
            what: row.get(2)?,
            at: row.get(3)?,
            body: row.get(4)?,
            sends: Vec::new(),
        })
    })?;
    let mut messages: Vec<AlertMessage> = rows.collect::<Result<_, _>>()?;
    let mut sends = db.prepare_cached(
        "SELECT shown, state, attempt, due_at, ended_at, problem FROM alert_send WHERE message = ?1 ORDER BY place",
    )?;
    for message in &mut messages {
        let rows = sends.query_map([message.id], |row| {
            Ok(SendStory {
                shown: row.get(0)?,
                state: row.get(1)?,
                attempts: row.get(2)?,
                due_at: row.get(3)?,
                ended_at: row.get(4)?,
                problem: problem(row, 5)?,
            })
        })?;
        message.sends = rows.collect::<Result<_, _>>()?;
    }
    Ok(messages)
}

fn send(row: &Row<'_>) -> rusqlite::Result<AlertSend> {
    Ok(AlertSend {
        id: row.get(0)?,
        message: row.get(1)?,
        alert: row.get(2)?,
        what: row.get(3)?,
        at: row.get(4)?,
        body: row.get(5)?,
        place: usize::try_from(row.get::<_, i64>(6)?).unwrap_or(usize::MAX),
        shown: row.get(7)?,
        attempt: row.get(8)?,
    })
}

fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.unsigned_abs())
}
