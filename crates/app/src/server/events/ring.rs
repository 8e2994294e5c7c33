//! The latest events, as they are sent, for those who come back after a moment.

use axum::body::Bytes;
use serde_json::Value;
use std::collections::VecDeque;
use std::fmt::Write as _;

/// So many bytes of events are kept.
const KEPT: usize = 1 << 20;

/// What was sent at one time.
#[derive(Debug)]
struct Window {
    /// The number of its first event.
    first: u64,
    events: Vec<Bytes>,
    /// All of them, as most listeners get them.
    joined: Bytes,
}

/// Events of one life, by number from 1 on.
#[derive(Debug, Default)]
pub(super) struct Ring {
    life: String,
    windows: VecDeque<Window>,
    newest: u64,
    bytes: usize,
}

impl Ring {
    /// Begins anew: what went before is not known any more.
    pub(super) fn begin(&mut self, life: String) {
        *self = Self { life, ..Self::default() };
    }

    /// The number of the newest event.
    pub(super) fn newest(&self) -> u64 {
        self.newest
    }

    /// Adds events that are sent together, and forgets the oldest where there are too many.
    pub(super) fn add(&mut self, events: &[(&str, Value)]) {
        let first = self.newest + 1;
        let mut own = Vec::with_capacity(events.len());
        for (name, data) in events {
            self.newest += 1;
            own.push(Bytes::from(self.written(name, data, self.newest)));
        }
        let joined = Bytes::from(own.concat());
        self.bytes += 2 * joined.len();
        self.windows.push_back(Window { first, events: own, joined });
        while self.bytes > KEPT
            && let Some(oldest) = self.windows.pop_front()
        {
            self.bytes -= 2 * oldest.joined.len();
        }
    }

    /// What came after an event; `None` where some of it is not known any more.
    pub(super) fn after(&self, number: u64) -> Option<Bytes> {
        if number == self.newest {
            return Some(Bytes::new());
        }
        let oldest = self.windows.front().map_or(self.newest + 1, |window| window.first);
        if number > self.newest || number + 1 < oldest {
            return None;
        }
        let at = self.windows.partition_point(|window| window.first <= number + 1).saturating_sub(1);
        let begun = self.windows.get(at)?;
        if begun.first == number + 1 && at + 1 == self.windows.len() {
            return Some(begun.joined.clone());
        }
        let skipped = usize::try_from(number + 1 - begun.first).unwrap_or(usize::MAX);
        let mut all: Vec<u8> = begun.events.iter().skip(skipped).flatten().copied().collect();
        self.windows.iter().skip(at + 1).for_each(|window| all.extend_from_slice(&window.joined));
        Some(all.into())
    }

    /// The number in an id that is of this life.
    pub(super) fn number(&self, id: &str) -> Option<u64> {
        let (life, number) = id.split_once('-')?;
        (life == self.life && !self.life.is_empty()).then(|| number.parse().ok())?
    }

    /// An event as it is sent.
    pub(super) fn written(&self, name: &str, data: &Value, number: u64) -> String {
        let mut text = String::new();
        let _ = write!(text, "id: {}-{number}\nevent: {name}\ndata: {data}\n\n", self.life);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn numbers(bytes: &Bytes) -> Vec<u64> {
        let text = std::str::from_utf8(bytes).unwrap();
        let ids = text.lines().filter_map(|line| line.strip_prefix("id: one-"));
        ids.map(|number| number.parse().unwrap()).collect()
    }

    #[test]
    fn whoever_comes_back_gets_what_they_missed_and_nothing_twice() {
        let mut ring = Ring::default();
        ring.begin("one".to_owned());
        let sizes = [1, 3, 1, 2];
        for size in sizes {
            ring.add(&vec![("task.changed", json!({ "id": size })); size]);
        }
        for from in 0..=7 {
            assert_eq!(numbers(&ring.after(from).unwrap()), (from + 1..=7).collect::<Vec<_>>(), "after {from}");
        }
        assert_eq!(ring.after(8), None, "nobody has seen what was not sent");
        assert_eq!((ring.number("one-5"), ring.number("two-5"), ring.number("one-x")), (Some(5), None, None));
    }

    #[test]
    fn what_is_too_old_is_forgotten() {
        let mut ring = Ring::default();
        ring.begin("one".to_owned());
        for _ in 0..100 {
            ring.add(&[("task.changed", json!({ "text": "x".repeat(20_000) }))]);
        }
        assert!(ring.bytes <= KEPT);
        assert_eq!(ring.after(1), None);
        assert_eq!(numbers(&ring.after(98).unwrap()), [99, 100]);
        ring.begin("two".to_owned());
        assert_eq!((ring.newest(), ring.number("one-99")), (0, None));
    }
}
