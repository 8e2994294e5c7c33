//! Engines that work on this store.

use crate::{Attending, Engine, StoreError};
use model::Millis;
use rusqlite::{Connection, params};

/// Notes one, forgets those that are gone, and returns all.
pub(super) fn attend(db: &Connection, engine: &Attending, now: Millis) -> Result<Vec<Engine>, StoreError> {
    db.prepare_cached("DELETE FROM engine WHERE until <= ?1")?.execute([now])?;
    if engine.until > now {
        let noted = "INSERT INTO engine (name, heard, until) VALUES (?1, ?2, ?3)
             ON CONFLICT (name) DO UPDATE SET heard = excluded.heard, until = excluded.until";
        db.prepare_cached(noted)?.execute(params![engine.name, engine.heard, engine.until])?;
    } else {
        db.prepare_cached("DELETE FROM engine WHERE name = ?1")?.execute([&engine.name])?;
    }
    let mut all = db.prepare_cached("SELECT id, name, heard FROM engine ORDER BY id")?;
    let engines = all.query_map([], |row| Ok(Engine { number: row.get(0)?, name: row.get(1)?, heard: row.get(2)? }))?;
    Ok(engines.collect::<Result<_, _>>()?)
}
