//! A database of PostgreSQL as one end of a copy.

use super::connect;
use super::fault::Fault;
use crate::StoreError;
use crate::copy::{Cell, Table, refused};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments as _, AssertSqlSafe, PgConnection, Row};
use std::collections::HashMap;

/// A database that no engine works on.
pub(crate) struct PostgresSide {
    db: PgConnection,
    /// Type of every column, by table and column.
    types: HashMap<(String, String), String>,
}

impl PostgresSide {
    pub(crate) async fn open(url: &str) -> Result<Self, StoreError> {
        let mut db = connect::alone(url).await?;
        Self::read_types(&mut db).await.map(|types| Self { db, types }).map_err(StoreError::from)
    }

    async fn read_types(db: &mut PgConnection) -> Result<HashMap<(String, String), String>, Fault> {
        let others: i64 = sqlx::query(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND application_name = 'tramontane' AND pid <> pg_backend_pid()",
        )
        .fetch_one(&mut *db)
        .await?
        .try_get(0)?;
        if others > 0 {
            let reason = format!("the database is in use: {others} connections of tramontane");
            return Err(refused("store_in_use", reason, "stop the engines on it first").into());
        }
        let rows = sqlx::query(
            "SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns
             WHERE table_schema = current_schema()",
        )
        .fetch_all(db)
        .await?;
        rows.iter().map(|row| Ok(((row.try_get(0)?, row.try_get(1)?), row.try_get(2)?))).collect()
    }

    pub(crate) async fn begin(&mut self) -> Result<(), StoreError> {
        self.run("BEGIN ISOLATION LEVEL REPEATABLE READ").await
    }

    pub(crate) async fn commit(&mut self) -> Result<(), StoreError> {
        self.run("COMMIT").await
    }

    async fn run(&mut self, sql: &str) -> Result<(), StoreError> {
        let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.db).await;
        done.map(|_| ()).map_err(error)
    }

    async fn number(&mut self, sql: String) -> Result<i64, StoreError> {
        let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut self.db).await.map_err(error)?;
        row.try_get(0).map_err(error)
    }

    fn type_of(&self, table: &Table, place: usize) -> Result<&str, StoreError> {
        let column = &table.columns[place].name;
        let found = self.types.get(&(table.name.clone(), column.clone()));
        found.map(String::as_str).ok_or_else(|| StoreError::Server(format!("there is no {}.{column}", table.name)))
    }

    /// A column as a number or bytes.
    fn read(&self, table: &Table, place: usize) -> Result<String, StoreError> {
        let name = quoted(&table.columns[place].name);
        Ok(match self.type_of(table, place)? {
            "text" => format!("convert_to({name}, 'UTF8')"),
            "boolean" => format!("{name}::integer::bigint"),
            "integer" | "smallint" => format!("{name}::bigint"),
            _ => name,
        })
    }

    /// A number or bytes as the column's type.
    fn write(&self, table: &Table, place: usize, given: &str) -> Result<String, StoreError> {
        Ok(match self.type_of(table, place)? {
            "text" => format!("convert_from({given}, 'UTF8')"),
            "boolean" => format!("({given} <> 0)"),
            kind @ ("integer" | "smallint") => format!("{given}::{kind}"),
            _ => given.to_owned(),
        })
    }

    fn is_number(&self, table: &Table, place: usize) -> Result<bool, StoreError> {
        Ok(!matches!(self.type_of(table, place)?, "text" | "bytea"))
    }

    pub(crate) async fn count(&mut self, table: &Table) -> Result<u64, StoreError> {
        Ok(self.number(format!("SELECT count(*) FROM {}", quoted(&table.name))).await?.unsigned_abs())
    }

    pub(crate) async fn page(
        &mut self,
        table: &Table,
        after: Option<&[Cell]>,
        most: usize,
    ) -> Result<Vec<Vec<Cell>>, StoreError> {
        let all = (0..table.columns.len()).map(|place| self.read(table, place)).collect::<Result<Vec<_>, _>>()?;
        let key: Vec<String> = table.key.iter().map(|place| quoted(&table.columns[*place].name)).collect();
        let mut sql = format!("SELECT {} FROM {}", all.join(", "), quoted(&table.name));
        let mut arguments = PgArguments::default();
        if let Some(after) = after {
            let mut given = Vec::new();
            for (at, (cell, place)) in after.iter().zip(&table.key).enumerate() {
                given.push(self.write(table, *place, &format!("${}", at + 1))?);
                bind(&mut arguments, cell)?;
            }
            sql.push_str(&format!(" WHERE ({}) > ({})", key.join(", "), given.join(", ")));
        }
        if !key.is_empty() {
            sql.push_str(&format!(" ORDER BY {} LIMIT {most}", key.join(", ")));
        }
        let rows = sqlx::query_with(AssertSqlSafe(sql), arguments).fetch_all(&mut self.db).await.map_err(error)?;
        let numbers = (0..all.len()).map(|place| self.is_number(table, place)).collect::<Result<Vec<_>, _>>()?;
        rows.iter().map(|row| cells(row, &numbers)).collect()
    }

    pub(crate) async fn clear(&mut self, table: &Table) -> Result<(), StoreError> {
        self.run(&format!("DELETE FROM {}", quoted(&table.name))).await
    }

    pub(crate) async fn put(&mut self, table: &Table, rows: Vec<Vec<Cell>>) -> Result<(), StoreError> {
        let (mut names, mut given, mut arrays, mut written) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut arguments = PgArguments::default();
        let mut columns: Vec<Vec<Cell>> = table.columns.iter().map(|_| Vec::with_capacity(rows.len())).collect();
        rows.into_iter().for_each(|row| row.into_iter().zip(&mut columns).for_each(|(cell, column)| column.push(cell)));
        for (place, column) in columns.into_iter().enumerate() {
            let name = format!("c{place}");
            names.push(quoted(&table.columns[place].name));
            written.push(self.write(table, place, &name)?);
            if self.is_number(table, place)? {
                arrays.push(format!("${}::bigint[]", place + 1));
                let numbers: Vec<Option<i64>> = column.iter().map(number).collect();
                arguments.add(numbers).map_err(|error| StoreError::Server(error.to_string()))?;
            } else {
                arrays.push(format!("${}::bytea[]", place + 1));
                let bytes: Vec<Option<Vec<u8>>> = column.into_iter().map(bytes).collect();
                arguments.add(bytes).map_err(|error| StoreError::Server(error.to_string()))?;
            }
            given.push(name);
        }
        let sql = format!(
            "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM unnest({}) AS given ({})",
            quoted(&table.name),
            names.join(", "),
            written.join(", "),
            arrays.join(", "),
            given.join(", ")
        );
        let put = sqlx::query_with(AssertSqlSafe(sql), arguments).execute(&mut self.db).await;
        put.map(|_| ()).map_err(|fault| match error(fault) {
            StoreError::Server(reason) => StoreError::Server(format!("table {}: {reason}", table.name)),
            other => other,
        })
    }

    pub(crate) async fn last_number(&mut self, table: &Table) -> Result<i64, StoreError> {
        let sequence = sequence(table);
        self.number(format!("SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM {sequence}")).await
    }

    pub(crate) async fn set_last_number(&mut self, table: &Table, number: i64) -> Result<(), StoreError> {
        if number > 0 {
            self.number(format!("SELECT setval('{}', {number})", sequence(table))).await?;
        }
        Ok(())
    }
}

/// The sequence that numbers a table's rows.
fn sequence(table: &Table) -> String {
    // Tasks are numbered before they are inserted, so their sequence is ours; the others are those of their columns.
    if table.name == "task" { "task_number".to_owned() } else { format!("{}_id_seq", table.name) }
}

fn bind(arguments: &mut PgArguments, cell: &Cell) -> Result<(), StoreError> {
    let bound = match cell {
        Cell::Integer(number) => arguments.add(*number),
        Cell::Bytes(bytes) => arguments.add(bytes.clone()),
        Cell::Null => arguments.add(None::<i64>),
    };
    bound.map_err(|error| StoreError::Server(error.to_string()))
}

fn number(cell: &Cell) -> Option<i64> {
    match cell {
        Cell::Integer(number) => Some(*number),
        Cell::Null | Cell::Bytes(_) => None,
    }
}

fn bytes(cell: Cell) -> Option<Vec<u8>> {
    match cell {
        Cell::Bytes(bytes) => Some(bytes),
        Cell::Null | Cell::Integer(_) => None,
    }
}

fn cells(row: &PgRow, numbers: &[bool]) -> Result<Vec<Cell>, StoreError> {
    let cell = |(at, is_number): (usize, &bool)| {
        Ok(if *is_number {
            row.try_get::<Option<i64>, _>(at).map_err(error)?.map_or(Cell::Null, Cell::Integer)
        } else {
            row.try_get::<Option<Vec<u8>>, _>(at).map_err(error)?.map_or(Cell::Null, Cell::Bytes)
        })
    };
    numbers.iter().enumerate().map(cell).collect()
}

fn error(error: sqlx::Error) -> StoreError {
    StoreError::from(Fault::from(error))
}

/// Names come from our own migrations; some are words of SQL.
fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}
