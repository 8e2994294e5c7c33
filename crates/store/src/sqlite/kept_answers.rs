//! Answers that are kept for those who ask a second time.

use super::SqliteStore;
use crate::kept_answers::{FORGOTTEN, KEPT_FOR, MOST_KEPT};
use crate::{KeptAnswer, KeptAnswers, KeyedCall, Known, StoreError};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};

#[async_trait]
impl KeptAnswers for SqliteStore {
    async fn take_key(&self, call: KeyedCall) -> Result<Known, StoreError> {
        self.write(move |write| take(write.db, &call)).await
    }

    async fn keep_answer(&self, key: [u8; 32], answer: KeptAnswer) -> Result<(), StoreError> {
        self.write(move |write| keep(write.db, &key, &answer)).await
    }

    async fn free_key(&self, key: [u8; 32]) -> Result<(), StoreError> {
        self.write(move |write| free(write.db, &key)).await
    }
}

/// Takes a key, where it is free.
fn take(db: &Connection, call: &KeyedCall) -> Result<Known, StoreError> {
    let old = "SELECT key FROM kept_answer WHERE at <= ?1 ORDER BY at LIMIT ?2";
    let forget = format!("DELETE FROM kept_answer WHERE key IN ({old}) OR key = ?3 AND at <= ?1");
    db.prepare_cached(&forget)?.execute(params![call.at - KEPT_FOR, FORGOTTEN, call.key])?;
    let known = db
        .prepare_cached("SELECT asked, status, type, body FROM kept_answer WHERE key = ?1")?
        .query_row([call.key], |row| {
            let asked: Vec<u8> = row.get(0)?;
            let Some(status) = row.get(1)? else { return Ok((asked, Known::UnderWay)) };
            let body: Option<Vec<u8>> = row.get(3)?;
            let answer = KeptAnswer { status, content_type: row.get(2)?, body: body.map(Into::into) };
            Ok((asked, Known::Answered(answer)))
        })
        .optional()?;
    if let Some((asked, known)) = known {
        return Ok(if asked == call.asked { known } else { Known::Other });
    }
    let have = "SELECT count(*) FROM kept_answer WHERE who = ?1";
    let have: i64 = db.prepare_cached(have)?.query_row([&call.who], |row| row.get(0))?;
    if have >= MOST_KEPT {
        return Ok(Known::TooMany);
    }
    db.prepare_cached("INSERT INTO kept_answer (key, asked, who, at) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![call.key, call.asked, call.who, call.at])?;
    Ok(Known::New)
}

/// Keeps the answer to a call.
fn keep(db: &Connection, key: &[u8; 32], answer: &KeptAnswer) -> Result<(), StoreError> {
    db.prepare_cached("UPDATE kept_answer SET status = ?2, type = ?3, body = ?4 WHERE key = ?1")?.execute(params![
        key,
        answer.status,
        answer.content_type,
        answer.body.as_deref()
    ])?;
    Ok(())
}

/// Gives a key back.
fn free(db: &Connection, key: &[u8; 32]) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM kept_answer WHERE key = ?1 AND status IS NULL")?.execute([key])?;
    Ok(())
}
