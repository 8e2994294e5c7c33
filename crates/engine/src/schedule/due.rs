//! Which occurrences of a schedule are due.

use super::times::Times;
use model::definition::{Misfire, Schedule};
use model::{Millis, Problem};
use std::collections::VecDeque;
use store::LaneId;

/// A time that is no longer ago than this is not missed: engines start, and machines sleep for a moment.
const GRACE: Millis = 60_000;

/// A schedule, ready to be asked what is due.
#[derive(Clone, Debug)]
pub struct Scheduled {
    /// Name of the definition.
    pub name: String,
    /// Lane of the incoming that it runs.
    pub lane: LaneId,
    /// As defined.
    pub definition: Schedule,
    times: Times,
}

/// A time that has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// When it was due.
    pub slot: Millis,
    /// Why nothing runs for it; `None`: something does.
    pub skipped: Option<Problem>,
}

impl Scheduled {
    /// Compiles a definition.
    ///
    /// # Errors
    /// A line or zone that is none; places are relative to the definition.
    pub fn new(name: &str, definition: &Schedule, lane: LaneId) -> Result<Self, Vec<Problem>> {
        let times = Times::parse(&definition.cron, &definition.time_zone)?;
        Ok(Self { name: name.to_owned(), lane, definition: definition.clone(), times })
    }

    /// Cron and time zone: a schedule with another line begins anew.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{} {}", self.definition.cron, self.definition.time_zone)
    }

    /// The first time after this one.
    #[must_use]
    pub fn next_after(&self, after: Millis) -> Option<Millis> {
        self.times.next_after(after)
    }

    /// What is due at `now`, where everything up to `since` has been seen to; in order.
    #[must_use]
    pub fn due(&self, since: Millis, now: Millis) -> Vec<Occurrence> {
        let most = match self.definition.misfire {
            Misfire::All => self.definition.at_most as usize,
            // The last on its own, and the one before it, which may have been missed.
            Misfire::Once | Misfire::Skip => 2,
        };
        let slots = self.latest(since, now, most);
        let Some(last) = slots.last().copied() else { return Vec::new() };
        let run = |slot| Occurrence { slot, skipped: None };
        let in_time = last > now - GRACE;
        match self.definition.misfire {
            Misfire::All => slots.into_iter().map(run).collect(),
            Misfire::Once => vec![run(last)],
            Misfire::Skip => {
                let missed = slots.iter().rev().nth(usize::from(in_time)).copied();
                missed.map(missed_at).into_iter().chain(in_time.then(|| run(last))).collect()
            }
        }
    }

    /// The latest times after `since` up to `now`, at most so many. Looks back twice as far each time, so that a year
    /// without an engine costs no more than what is asked for.
    fn latest(&self, since: Millis, now: Millis, most: usize) -> Vec<Millis> {
        let mut span = GRACE;
        loop {
            let from = since.max(now.saturating_sub(span));
            let mut slots = VecDeque::with_capacity(most.min(1_000));
            let mut at = from;
            while let Some(slot) = self.times.next_after(at).filter(|slot| *slot <= now) {
                at = slot;
                if slots.len() == most {
                    slots.pop_front();
                }
                slots.push_back(slot);
            }
            if from <= since || slots.len() >= most {
                return slots.into();
            }
            span = span.saturating_mul(2);
        }
    }
}

fn missed_at(slot: Millis) -> Occurrence {
    let reason = "no engine ran when it was due";
    Occurrence { slot, skipped: Some(Problem::new("missed", reason).warning().hint("misfire: once makes up for it")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Millis = 3_600_000;
    const NOON: Millis = 1_790_000_000_000 / (24 * HOUR) * (24 * HOUR) + 12 * HOUR;

    fn hourly(misfire: Misfire, at_most: u32) -> Scheduled {
        let definition = Schedule {
            run: "products".to_owned(),
            cron: "0 * * * *".to_owned(),
            time_zone: "UTC".to_owned(),
            misfire,
            at_most,
            overlap: model::definition::Overlap::default(),
            jitter: model::definition::Span(0),
        };
        Scheduled::new("hourly", &definition, LaneId(1)).unwrap()
    }

    /// Hours before noon that are due, those that are skipped as negative numbers.
    fn due(schedule: &Scheduled, since: Millis, now: Millis) -> Vec<Millis> {
        let shown = |occurrence: Occurrence| {
            let hours = (NOON - occurrence.slot) / HOUR + 1;
            if occurrence.skipped.is_some() { -hours } else { hours }
        };
        schedule.due(NOON + since, NOON + now).into_iter().map(shown).collect()
    }

    #[test]
    fn missed_times_follow_the_rule() {
        use Misfire::{All, Once, Skip};
        let just = 1_000;
        let late = GRACE;
        // Shown as hours: 1 is noon itself, 2 is eleven.
        let cases: [(Misfire, u32, Millis, Millis, &[Millis]); 12] = [
            (Once, 100, -HOUR, -1, &[]),
            (Once, 100, -HOUR, 0, &[1]),
            (Once, 100, -5 * HOUR, just, &[1]),
            (Once, 100, -5 * HOUR, late, &[1]),
            (Skip, 100, -HOUR, just, &[1]),
            (Skip, 100, -HOUR, late, &[-1]),
            (Skip, 100, -5 * HOUR, just, &[-2, 1]),
            (Skip, 100, -5 * HOUR, late, &[-1]),
            (All, 100, -3 * HOUR, late, &[3, 2, 1]),
            (All, 2, -300 * HOUR, late, &[2, 1]),
            (All, 100, 0, late, &[]),
            (Skip, 100, 0, 0, &[]),
        ];
        for (misfire, at_most, since, now, expected) in cases {
            assert_eq!(due(&hourly(misfire, at_most), since, now), expected, "{misfire:?} {at_most} {since} {now}");
        }
    }

    #[test]
    fn a_long_sleep_costs_no_more_than_what_is_asked_for() {
        let year = 365 * 24 * HOUR;
        assert_eq!(hourly(Misfire::All, 10_000).due(NOON - 30 * year, NOON).len(), 10_000);
        assert_eq!(hourly(Misfire::Once, 100).due(NOON - 30 * year, NOON).len(), 1);
    }
}
