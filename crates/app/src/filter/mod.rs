//! The filter of tasks, as people write it: `status:failed route:describe -code:timeout cost:>0.01 created:>2026-11-01`.
//!
//! Words stand beside each other and all hold. Of several words with the same key and no sign of comparison one holds, and
//! so with values after commas. `-` before a word turns it round. What is not a key and a value is text to look for.
//! [`parse`] knows the language, [`resolve`] the names that are in use.

mod parse;
mod resolve;
#[cfg(test)]
mod tests;

pub(crate) use parse::parse;
pub(crate) use resolve::{Names, Wanted, fitting, resolve};

use model::{Millis, Money, Problem, TaskKind, TaskState};
use store::Compare;

/// Letters of a filter at most.
const LONGEST: usize = 2_000;
/// Words with their values at most.
const MOST: usize = 60;

/// The keys, as suggestions name them, each with what it means.
pub(crate) const KEYS: [(&str, &str); 20] = [
    ("status", "where it stands: failed, unknown, new"),
    ("kind", "pull or push"),
    ("route", "the name of its route"),
    ("incoming", "the name of its incoming"),
    ("operation", "part of the title of the operation that its route or incoming calls"),
    ("client", "the HTTP client that its route or incoming calls with"),
    ("run", "the number of its run"),
    ("id", "its number"),
    ("source", "the number of the task that it was made from"),
    ("identifier", "what its incoming says it is called"),
    ("code", "the code of a problem, or an HTTP status, of one of its attempts"),
    ("model", "a model that answered one of its attempts"),
    ("cost", "what its attempts cost together: cost:>0.01"),
    ("duration", "how long its longest attempt took: duration:>5s"),
    ("attempts", "how many attempts it has: attempts:>3"),
    ("created", "when it was accepted: created:>2026-11-01"),
    ("finished", "when it ended: finished:<2026-11-01T12:00:00Z"),
    ("age", "how long ago it was accepted: age:<2h"),
    ("data", "what its data has at a path: data.order.id:1234"),
    ("text", "text in its data, an answer or a problem"),
];

/// A filter: all its words hold.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Filter {
    pub(crate) words: Vec<Word>,
}

/// One word.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Word {
    /// It must not hold.
    pub(crate) is_not: bool,
    pub(crate) is: Is,
    /// Where it stands: the number of its first letter, from 1.
    pub(crate) at: usize,
}

/// What a word asks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Is {
    Status(TaskState),
    Kind(TaskKind),
    Route(String),
    Incoming(String),
    Operation(String),
    Client(String),
    Run(i64),
    Id(i64),
    Source(i64),
    Identifier(String),
    Code(String),
    HttpStatus(u16),
    Model(String),
    Cost(Compare, Money),
    Duration(Compare, Millis),
    Attempts(Compare, i64),
    Created(Compare, Times),
    Finished(Compare, Times),
    Age(Compare, Millis),
    Data(Vec<String>, String),
    Text(String),
}

/// A time as it was written: a day, or a moment. From the first, before the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) from: Millis,
    pub(crate) before: Millis,
}

/// What is wrong with a filter, at the letter of this number.
fn wrong(at: usize, reason: impl Into<String>) -> Problem {
    Problem::new("filter_wrong", reason).at(format!("filter[{at}]"))
}
