//! Answers that are kept for those who ask a second time.

use super::PostgresStore;
use super::fault::Fault;
use super::rows::some_bytes;
use crate::kept_answers::{FORGOTTEN, KEPT_FOR, MOST_KEPT};
use crate::{KeptAnswer, KeptAnswers, KeyedCall, Known, StoreError};
use async_trait::async_trait;
use sqlx::{PgConnection, Row};

#[async_trait]
impl KeptAnswers for PostgresStore {
    async fn take_key(&self, call: KeyedCall) -> Result<Known, StoreError> {
        self.server.write(call, |write, call| Box::pin(take(write.db(), call))).await
    }

    async fn keep_answer(&self, key: [u8; 32], answer: KeptAnswer) -> Result<(), StoreError> {
        self.server.write((key, answer), |write, (key, answer)| Box::pin(keep(write.db(), key, answer))).await
    }

    async fn free_key(&self, key: [u8; 32]) -> Result<(), StoreError> {
        self.server.write(key, |write, key| Box::pin(free(write.db(), key))).await
    }
}

/// Takes a key, where it is free. Whoever takes the same one meanwhile waits for our commit, and then sees it.
async fn take(db: &mut PgConnection, call: &KeyedCall) -> Result<Known, Fault> {
    sqlx::query(
        "DELETE FROM kept_answer WHERE key = $2 AND at <= $1 OR key IN
                     (SELECT key FROM kept_answer WHERE at <= $1 ORDER BY at LIMIT $3 FOR UPDATE SKIP LOCKED)",
    )
    .bind(call.at - KEPT_FOR)
    .bind(&call.key[..])
    .bind(i64::from(FORGOTTEN))
    .execute(&mut *db)
    .await?;
    let taken = sqlx::query(
        "INSERT INTO kept_answer (key, asked, who, at) SELECT $1, $2, $3, $4
         WHERE (SELECT count(*) FROM kept_answer WHERE who = $3) < $5 ON CONFLICT DO NOTHING",
    )
    .bind(&call.key[..])
    .bind(&call.asked[..])
    .bind(&call.who)
    .bind(call.at)
    .bind(MOST_KEPT)
    .execute(&mut *db)
    .await?;
    if taken.rows_affected() == 1 {
        return Ok(Known::New);
    }
    let known = sqlx::query("SELECT asked, status, type, body FROM kept_answer WHERE key = $1").bind(&call.key[..]);
    let Some(row) = known.fetch_optional(db).await? else { return Ok(Known::TooMany) };
    if row.try_get::<&[u8], _>(0)? != call.asked {
        return Ok(Known::Other);
    }
    let Some(status) = row.try_get::<Option<i32>, _>(1)? else { return Ok(Known::UnderWay) };
    let status = u16::try_from(status).unwrap_or(500);
    Ok(Known::Answered(KeptAnswer { status, content_type: row.try_get(2)?, body: some_bytes(&row, 3)? }))
}

/// Keeps the answer to a call.
async fn keep(db: &mut PgConnection, key: &[u8; 32], answer: &KeptAnswer) -> Result<(), Fault> {
    sqlx::query("UPDATE kept_answer SET status = $2, type = $3, body = $4 WHERE key = $1")
        .bind(&key[..])
        .bind(i32::from(answer.status))
        .bind(&answer.content_type)
        .bind(answer.body.as_deref())
        .execute(db)
        .await?;
    Ok(())
}

/// Gives a key back.
async fn free(db: &mut PgConnection, key: &[u8; 32]) -> Result<(), Fault> {
    sqlx::query("DELETE FROM kept_answer WHERE key = $1 AND status IS NULL").bind(&key[..]).execute(db).await?;
    Ok(())
}
