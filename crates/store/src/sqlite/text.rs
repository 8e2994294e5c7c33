//! Bodies bound as text, and the blobs that they name.

use crate::StoreError;
use crate::bodies::blobs_named;
use bytes::Bytes;
use model::TaskId;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, params};

/// Bytes bound as text. Bodies are JSON text, which nobody needs to check for UTF-8 a second time.
pub(super) struct Text<'a>(pub(super) &'a Bytes);

impl ToSql for Text<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(self.0)))
    }
}

/// Remembers which blobs a task's body names: the one it is in, and files.
pub(super) fn remember(db: &Connection, task: TaskId, column: Option<&Bytes>) -> Result<(), StoreError> {
    let Some(column) = column else { return Ok(()) };
    for id in blobs_named(column)? {
        let sql = "INSERT INTO blob (id, task) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        db.prepare_cached(sql)?.execute(params![id.as_str(), task.0])?;
    }
    Ok(())
}
