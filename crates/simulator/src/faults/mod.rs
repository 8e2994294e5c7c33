//! Faults on demand: which requests are to go wrong, and how.
//!
//! A file of rules (`read`) says it; the first rule that takes a request spoils its answer (`spoil`). What a rule
//! takes depends on the seed and on the order of the requests that fit it, and on nothing else.

mod quota;
mod read;
mod spoil;
mod yaml;

pub(crate) use quota::Quota;
pub(crate) use spoil::{Spoiler, spent};

use crate::fingerprint::mix;
use bytes::Bytes;
use memchr::memmem;
use model::Problem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a faults file says.
#[derive(Clone, Debug)]
pub struct Faults {
    seed: u64,
    rules: Vec<Rule>,
    limit: Option<Limit>,
}

/// A limit that nothing announces, for each key.
#[derive(Clone, Copy, Debug)]
struct Limit {
    requests_per_second: Option<f64>,
    tokens_per_minute: Option<u64>,
}

#[derive(Clone, Debug)]
struct Rule {
    wanted: Wanted,
    act: Act,
}

/// Which requests a rule takes.
#[derive(Clone, Debug, Default)]
struct Wanted {
    /// Places of operations in the catalogue; `None` for every request.
    operations: Option<Vec<usize>>,
    /// What the body contains.
    row: Option<String>,
    /// Numbers of requests among those that fit, from 1; all where there are none.
    nth: Vec<u64>,
    every: Option<u64>,
    probability: Option<f64>,
}

/// What goes wrong.
#[derive(Clone, Debug)]
enum Act {
    Latency(Duration),
    Status(Status),
    ResetBeforeReading,
    ResetAfterReading,
    Cut(usize),
    Silence,
    Drip { every: Duration, bytes: usize },
    WrongJson,
    Html,
    Size(u64),
    Endless,
    Length(i64),
    ErrorEvent,
}

/// An answer in place of the operation's own.
#[derive(Clone, Debug)]
struct Status {
    status: u16,
    retry_after: Option<String>,
    limit: Option<u64>,
    /// Media type and text.
    body: Option<(&'static str, Bytes)>,
}

impl Faults {
    /// Reads a faults file, which is YAML or JSON.
    ///
    /// # Errors
    /// All that is wrong with it, each with its line, its rule, the reason and a hint.
    pub fn read(text: &str) -> Result<Self, Vec<Problem>> {
        read::read(text)
    }
}

/// The rules with what they have counted so far.
#[derive(Debug)]
pub(crate) struct Player {
    seed: u64,
    rules: Vec<(Rule, AtomicU64)>,
    quota: Option<Quota>,
}

impl Player {
    pub(crate) fn new(faults: Faults) -> Self {
        let rules = faults.rules.into_iter().map(|rule| (rule, AtomicU64::new(0))).collect();
        Self { seed: faults.seed, rules, quota: faults.limit.map(Quota::new) }
    }

    pub(crate) fn quota(&self) -> Option<&Quota> {
        self.quota.as_ref()
    }

    /// Whether a request is refused before its body is read.
    pub(crate) fn resets_unread(&self, operation: Option<usize>) -> bool {
        self.first(operation, None).is_some()
    }

    /// What spoils the answer to a request that was read; the body is empty where it was too large.
    pub(crate) fn spoiler(&self, operation: Option<usize>, body: &[u8]) -> Option<Spoiler<'_>> {
        self.first(operation, Some(body)).map(Spoiler::new)
    }

    /// The first rule that takes a request. Every rule counts what fits it, so that no rule depends on another.
    /// Without a body, only those rules are asked that act before there is one, and they are asked then alone.
    fn first(&self, operation: Option<usize>, body: Option<&[u8]>) -> Option<&Act> {
        let mut first = None;
        for (place, (rule, count)) in self.rules.iter().enumerate() {
            let early = matches!(rule.act, Act::ResetBeforeReading);
            if early == body.is_some() || !rule.wanted.fits(operation, body.unwrap_or_default()) {
                continue;
            }
            let nth = count.fetch_add(1, Ordering::Relaxed) + 1;
            if first.is_none() && rule.wanted.takes(nth, mix(self.seed ^ mix(place as u64))) {
                first = Some(&rule.act);
            }
        }
        first
    }
}

impl Wanted {
    fn fits(&self, operation: Option<usize>, body: &[u8]) -> bool {
        let operations = self.operations.as_ref();
        operations.is_none_or(|wanted| operation.is_some_and(|operation| wanted.contains(&operation)))
            && self.row.as_ref().is_none_or(|row| memmem::find(body, row.as_bytes()).is_some())
    }

    /// Whether the `nth` request that fits is taken. `seed` is the rule's own.
    fn takes(&self, nth: u64, seed: u64) -> bool {
        /// All numbers that an f64 can tell apart between 0 and 1.
        const STEPS: f64 = (1_u64 << 53) as f64;
        (self.nth.is_empty() || self.nth.contains(&nth))
            && self.every.is_none_or(|every| nth.is_multiple_of(every))
            && self.probability.is_none_or(|probability| ((mix(seed ^ nth) >> 11) as f64 / STEPS) < probability)
    }
}
