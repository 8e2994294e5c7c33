//! The limits of HTTP clients, as they are drawn from.

use crate::StoreError;
use crate::limits::{self, Draw, Drawn, Row, Settle};
use rusqlite::{Connection, OptionalExtension, params};

/// Draws, and remembers it.
pub(super) fn draw(db: &Connection, asked: &Draw) -> Result<Drawn, StoreError> {
    let mut row = read(db, &asked.client)?;
    let drawn = limits::draw(&mut row, asked);
    write(db, &asked.client, &row)?;
    Ok(drawn)
}

/// Sets right what was drawn.
pub(super) fn settle(db: &Connection, settle: &Settle) -> Result<(), StoreError> {
    let mut row = read(db, &settle.client)?;
    limits::settle(&mut row, settle);
    write(db, &settle.client, &row)
}

fn read(db: &Connection, client: &str) -> Result<Row, StoreError> {
    let row = db
        .prepare_cached("SELECT next_call, next_token, day, calls, cost FROM drawn WHERE client = ?1")?
        .query_row([client], |row| {
            Ok(Row {
                next_call: row.get(0)?,
                next_token: row.get(1)?,
                day: row.get(2)?,
                calls: row.get(3)?,
                cost: row.get(4)?,
            })
        })
        .optional()?;
    Ok(row.unwrap_or_default())
}

fn write(db: &Connection, client: &str, row: &Row) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT INTO drawn (client, next_call, next_token, day, calls, cost) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO UPDATE SET next_call = excluded.next_call, next_token = excluded.next_token,
             day = excluded.day, calls = excluded.calls, cost = excluded.cost",
    )?
    .execute(params![client, row.next_call, row.next_token, row.day, row.calls, row.cost])?;
    Ok(())
}
