//! A data folder as one end of a copy.

use super::folder;
use super::migrate;
use crate::StoreError;
use crate::copy::{Cell, Column, Table};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, Statement, ToSql, params_from_iter};
use std::fs::File;
use std::path::Path;

/// The tables of a store, in an order in which each comes after those that it refers to.
pub(crate) fn tables() -> Result<Vec<Table>, StoreError> {
    let db = migrate::in_memory()?;
    let mut names = db.prepare(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid",
    )?;
    let names: Vec<(String, String)> =
        names.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    names.into_iter().map(|(name, sql)| table(&db, name, &sql)).collect()
}

fn table(db: &Connection, name: String, sql: &str) -> Result<Table, StoreError> {
    let mut columns = db.prepare("SELECT name, type, pk FROM pragma_table_info(?1) ORDER BY name")?;
    let columns: Vec<(String, String, i64)> =
        columns.query_map([&name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_, _>>()?;
    let mut key: Vec<(i64, usize)> =
        columns.iter().enumerate().filter(|(_, (.., at))| *at > 0).map(|(place, (.., at))| (*at, place)).collect();
    key.sort_unstable();
    // One number that the database gives.
    let is_numbered = matches!(key[..], [(_, place)] if columns[place].0 == "id" && columns[place].1 == "INTEGER");
    let columns = columns.into_iter().map(|(name, kind, _)| Column { name, is_text: kind == "TEXT" }).collect();
    let is_numbered = is_numbered && !sql.contains("WITHOUT ROWID");
    Ok(Table { name, columns, key: key.into_iter().map(|(_, place)| place).collect(), is_numbered })
}

/// A data folder that nobody else works on.
pub(crate) struct SqliteSide {
    db: Connection,
    _lock: File,
}

/// A value with the kind that its column has.
struct Bound<'a>(&'a Cell, bool);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match (self.0, self.1) {
            (Cell::Null, _) => ValueRef::Null,
            (Cell::Integer(number), _) => ValueRef::Integer(*number),
            (Cell::Bytes(bytes), true) => ValueRef::Text(bytes),
            (Cell::Bytes(bytes), false) => ValueRef::Blob(bytes),
        }))
    }
}

impl SqliteSide {
    /// Opens the store in a folder; a target is made where there is none.
    pub(crate) fn open(folder: &Path, by: &str, is_target: bool) -> Result<Self, StoreError> {
        if !is_target && !folder::database(folder).exists() {
            return Err(StoreError::Absent(folder.to_owned()));
        }
        let lock = folder::hold(folder, by)?;
        let (db, _) = folder::open_writer(folder)?;
        Ok(Self { db, _lock: lock })
    }

    pub(crate) fn begin(&self) -> Result<(), StoreError> {
        Ok(self.db.execute_batch("BEGIN IMMEDIATE")?)
    }

    pub(crate) fn commit(&self) -> Result<(), StoreError> {
        Ok(self.db.execute_batch("COMMIT")?)
    }

    pub(crate) fn count(&self, table: &Table) -> Result<u64, StoreError> {
        let sql = format!("SELECT count(*) FROM {}", quoted(&table.name));
        Ok(self.db.query_row(&sql, [], |row| row.get::<_, i64>(0))?.unsigned_abs())
    }

    pub(crate) fn page(
        &self,
        table: &Table,
        after: Option<&[Cell]>,
        most: usize,
    ) -> Result<Vec<Vec<Cell>>, StoreError> {
        let names = |places: &[usize]| {
            let names: Vec<String> = places.iter().map(|place| quoted(&table.columns[*place].name)).collect();
            names.join(", ")
        };
        let all = names(&(0..table.columns.len()).collect::<Vec<_>>());
        let key = names(&table.key);
        let mut sql = format!("SELECT {all} FROM {}", quoted(&table.name));
        if let Some(after) = after {
            sql.push_str(&format!(" WHERE ({key}) > ({})", vec!["?"; after.len()].join(", ")));
        }
        if !key.is_empty() {
            sql.push_str(&format!(" ORDER BY {key} LIMIT {most}"));
        }
        let mut statement = self.db.prepare_cached(&sql)?;
        let bound = after.unwrap_or_default().iter().zip(&table.key);
        let bound = bound.map(|(cell, place)| Bound(cell, table.columns[*place].is_text));
        let rows = statement.query_map(params_from_iter(bound), |row| cells(row, table.columns.len()))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(crate) fn clear(&self, table: &Table) -> Result<(), StoreError> {
        self.db.execute(&format!("DELETE FROM {}", quoted(&table.name)), [])?;
        Ok(())
    }

    pub(crate) fn put(&self, table: &Table, rows: &[Vec<Cell>]) -> Result<(), StoreError> {
        let columns: Vec<String> = table.columns.iter().map(|column| quoted(&column.name)).collect();
        let places = vec!["?"; columns.len()].join(", ");
        let sql = format!("INSERT INTO {} ({}) VALUES ({places})", quoted(&table.name), columns.join(", "));
        let mut statement: Statement<'_> = self.db.prepare(&sql)?;
        for row in rows {
            let bound = row.iter().zip(&table.columns).map(|(cell, column)| Bound(cell, column.is_text));
            statement.execute(params_from_iter(bound))?;
        }
        Ok(())
    }

    /// The last number given, also where its row is gone.
    pub(crate) fn last_number(&self, table: &Table) -> Result<i64, StoreError> {
        let given =
            self.db.query_row("SELECT seq FROM sqlite_sequence WHERE name = ?1", [&table.name], |row| row.get(0));
        let sql = format!("SELECT coalesce(max(id), 0) FROM {}", quoted(&table.name));
        let there: i64 = self.db.query_row(&sql, [], |row| row.get(0))?;
        Ok(given.optional()?.unwrap_or(0).max(there))
    }

    pub(crate) fn set_last_number(&self, table: &Table, number: i64) -> Result<(), StoreError> {
        // Tables without AUTOINCREMENT go by the rows that are there.
        let changed = self.db.execute("UPDATE sqlite_sequence SET seq = ?2 WHERE name = ?1", (&table.name, number))?;
        let sql = "SELECT sql LIKE '%AUTOINCREMENT%' FROM sqlite_schema WHERE name = ?1";
        if changed == 0 && number > 0 && self.db.query_row(sql, [&table.name], |row| row.get(0))? {
            self.db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)", (&table.name, number))?;
        }
        Ok(())
    }
}

fn cells(row: &Row<'_>, count: usize) -> rusqlite::Result<Vec<Cell>> {
    let cell = |at| {
        Ok(match row.get_ref(at)? {
            ValueRef::Null => Cell::Null,
            ValueRef::Integer(number) => Cell::Integer(number),
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Cell::Bytes(bytes.to_vec()),
            ValueRef::Real(_) => return Err(rusqlite::Error::IntegralValueOutOfRange(at, 0)),
        })
    };
    (0..count).map(cell).collect()
}

/// Names come from our own migrations; some are words of SQL.
fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}
