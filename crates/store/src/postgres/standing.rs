//! How tasks stand.

use super::PostgresStore;
use super::fault::Fault;
use super::rows::state;
use crate::standing::{Standings, TaskStanding};
use crate::{LaneId, StoreError};
use async_trait::async_trait;
use model::TaskId;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};

#[async_trait]
impl Standings for PostgresStore {
    async fn standings(&self, tasks: Vec<TaskId>) -> Result<Vec<TaskStanding>, StoreError> {
        self.server.read(tasks, |db, tasks| Box::pin(standings(db, tasks))).await
    }

    async fn newer_tasks(&self, than: TaskId, limit: u32) -> Result<Vec<TaskStanding>, StoreError> {
        self.server.read((than, limit), |db, (than, limit)| Box::pin(newer(db, *than, *limit))).await
    }
}

async fn standings(db: &mut PgConnection, tasks: &[TaskId]) -> Result<Vec<TaskStanding>, Fault> {
    let numbers: Vec<i64> = tasks.iter().map(|task| task.0).collect();
    let sql = "SELECT task.id, task.lane, task.state FROM unnest($1::bigint[]) WITH ORDINALITY AS asked (id, place)
        JOIN task ON task.id = asked.id ORDER BY asked.place";
    sqlx::query(sql).bind(numbers).fetch_all(db).await?.iter().map(standing).collect()
}

async fn newer(db: &mut PgConnection, than: TaskId, limit: u32) -> Result<Vec<TaskStanding>, Fault> {
    let sql = "SELECT id, lane, state FROM task WHERE id > $1 ORDER BY id DESC LIMIT $2";
    sqlx::query(sql).bind(than.0).bind(i64::from(limit)).fetch_all(db).await?.iter().map(standing).collect()
}

fn standing(row: &PgRow) -> Result<TaskStanding, Fault> {
    Ok(TaskStanding { id: TaskId(row.try_get(0)?), lane: LaneId(row.try_get(1)?), state: state(row, 2)? })
}
