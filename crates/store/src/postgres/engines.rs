//! Engines that work on this database.

use super::fault::Fault;
use crate::{Attending, Engine};
use model::Millis;
use sqlx::{PgConnection, Row as _};

/// Notes one, forgets those that are gone, and returns all.
pub(super) async fn attend(db: &mut PgConnection, engine: &Attending, now: Millis) -> Result<Vec<Engine>, Fault> {
    // Numbers are seen in the order in which they are given: nobody may think that it was heard of by one that was not
    // told yet.
    sqlx::query("LOCK TABLE engine IN SHARE ROW EXCLUSIVE MODE").execute(&mut *db).await?;
    sqlx::query("DELETE FROM engine WHERE until <= $1").bind(now).execute(&mut *db).await?;
    if engine.until > now {
        let noted = "INSERT INTO engine (name, heard, until) VALUES ($1, $2, $3)
             ON CONFLICT (name) DO UPDATE SET heard = excluded.heard, until = excluded.until";
        sqlx::query(noted).bind(&engine.name).bind(engine.heard).bind(engine.until).execute(&mut *db).await?;
    } else {
        sqlx::query("DELETE FROM engine WHERE name = $1").bind(&engine.name).execute(&mut *db).await?;
    }
    let rows = sqlx::query("SELECT id, name, heard FROM engine ORDER BY id").fetch_all(db).await?;
    let engines =
        rows.iter().map(|row| Ok(Engine { number: row.try_get(0)?, name: row.try_get(1)?, heard: row.try_get(2)? }));
    engines.collect()
}
