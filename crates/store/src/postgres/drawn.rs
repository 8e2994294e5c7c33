//! The limits of HTTP clients, as all engines draw from them: one row a client, locked while it is changed.

use super::fault::Fault;
use crate::limits::{self, Draw, Drawn, Row, Settle};
use sqlx::{PgConnection, Row as _};

/// Draws, and remembers it.
pub(super) async fn draw(db: &mut PgConnection, asked: &Draw) -> Result<Drawn, Fault> {
    let mut row = lock(db, &asked.client).await?;
    let drawn = limits::draw(&mut row, asked);
    write(db, &asked.client, &row).await?;
    Ok(drawn)
}

/// Sets right what was drawn.
pub(super) async fn settle(db: &mut PgConnection, settle: &Settle) -> Result<(), Fault> {
    let mut row = lock(db, &settle.client).await?;
    limits::settle(&mut row, settle);
    write(db, &settle.client, &row).await
}

async fn lock(db: &mut PgConnection, client: &str) -> Result<Row, Fault> {
    sqlx::query("INSERT INTO drawn VALUES ($1, 0, 0, 0, 0, 0) ON CONFLICT DO NOTHING")
        .bind(client)
        .execute(&mut *db)
        .await?;
    let row = sqlx::query("SELECT next_call, next_token, day, calls, cost FROM drawn WHERE client = $1 FOR UPDATE")
        .bind(client)
        .fetch_one(db)
        .await?;
    Ok(Row {
        next_call: row.try_get(0)?,
        next_token: row.try_get(1)?,
        day: row.try_get(2)?,
        calls: row.try_get(3)?,
        cost: row.try_get(4)?,
    })
}

async fn write(db: &mut PgConnection, client: &str, row: &Row) -> Result<(), Fault> {
    sqlx::query("UPDATE drawn SET next_call = $2, next_token = $3, day = $4, calls = $5, cost = $6 WHERE client = $1")
        .bind(client)
        .bind(row.next_call)
        .bind(row.next_token)
        .bind(row.day)
        .bind(row.calls)
        .bind(row.cost)
        .execute(db)
        .await?;
    Ok(())
}
