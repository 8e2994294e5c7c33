//! Keys of attempts, and problems as text: the same in every database.

use crate::StoreError;
use model::{Problem, TaskId};

/// A file of SQLite ends at 281 TB, and PostgreSQL takes 17 years to give 1,000 numbers a second, so 2^39 tasks, which
/// leave these bits of a key to the attempt, never come.
const ATTEMPT_BITS: u32 = 24;
/// How many numbers of attempts a task has.
pub(crate) const ATTEMPTS: u32 = 1 << ATTEMPT_BITS;

/// The key of an attempt's rows.
pub(crate) fn attempt_key(task: TaskId, number: u32) -> i64 {
    task.0 << ATTEMPT_BITS | i64::from(number)
}

/// The keys of a task's attempts: from the first, up to the second exclusively.
pub(crate) fn attempt_keys(task: TaskId) -> [i64; 2] {
    [attempt_key(task, 0), attempt_key(TaskId(task.0 + 1), 0)]
}

/// The attempt's number in a key.
pub(crate) fn attempt_number(key: i64) -> u32 {
    u32::try_from(key & i64::from(ATTEMPTS - 1)).unwrap_or(ATTEMPTS)
}

/// A problem as JSON.
pub(crate) fn problem_text(problem: &Problem) -> Result<String, StoreError> {
    serde_json::to_string(problem).map_err(|error| StoreError::Database(error.to_string()))
}
