//! When a cron line fires, in a time zone.
//!
//! # Lines
//!
//! Five fields: minute, hour, day of month, month, day of week. Six begin with the second. `*`, lists, ranges, steps
//! (`*/5`, `10-40/5`), names (`JAN`, `MON`) and `?` in the fields of days are read as the crate croner reads them, and
//! so are `@yearly`, `@annually`, `@monthly`, `@weekly`, `@daily` and `@hourly`. Sunday is 0 and 7. Moreover:
//!
//! - `L` is the month's last day, `LW` its last working day (Monday to Friday), `15W` the working day nearest to the
//!   15th within the month;
//! - `5L` is the month's last Friday, `2#3` its third Tuesday;
//! - where both fields of days are limited, one of them suffices (`0 0 13 * FRI`: every 13th and every Friday); with
//!   `+` before the weekday both must fit (`0 0 13 * +FRI`). A field is unlimited if it is just `*` or `?`: `*/2` is
//!   a limit.
//!
//! # Nights on which the clock changes
//!
//! Lines that name **every hour** (`*/5 * * * *`, `@hourly`) go by the time that passes. They fire in each pass of an
//! hour that the clock repeats, and never in a gap that it leaves out: the firings before and after it are as far
//! apart as ever.
//!
//! All others name **times of day** (`30 2 * * *`, `0 8,20 * * *`, `0 */6 * * *`, `*/10 2 * * *`) and go by the local
//! clock. Each time that they name comes once on each day that they name:
//!
//! - a time in a gap comes at the first moment after the gap. Several in one gap, or one right at its end, are one
//!   firing;
//! - a time that the clock repeats comes the first time, and not again;
//! - where a whole day was left out (Samoa, 30 December 2011), its times come together as the next day begins.
//!
//! So a time of day never comes twice, and no day goes without it. Lines with steps of hours count as times of day
//! here, other than in Vixie cron: `0 */6 * * *` must not lose its midnight where the clock changes at midnight.
//!
//! croner reads the lines and says which days they name; when they fire is worked out here. croner itself counts
//! lists of hours or minutes among what passes (`0,30 2 * * *` would leave a day out, and come twice on another),
//! and gives up at a gap of a day.

mod line;
#[cfg(test)]
mod tests;

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};
use line::Line;
use model::{Millis, Problem, suggest};

/// What lines are counted in.
const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// Longest name of a zone that is looked at, in bytes: the longest there is has 32.
const MAX_ZONE_BYTES: usize = 64;

/// 1 January of the year 1, UTC, in seconds: no line fires before.
const EARLIEST: i64 = -62_135_596_800;

/// A cron line in a time zone.
#[derive(Clone, Debug)]
pub struct Times {
    line: Line,
    zone: TimeZone,
}

impl Times {
    /// Reads a line and looks the zone up, in the zone database of the program.
    ///
    /// # Errors
    ///
    /// Says what is wrong with each of them: `cron_wrong`, or `cron_never` for a line without any day, such as
    /// `0 0 30 2 *`; `time_zone_unknown` for what is no name of the IANA database, letter by letter.
    pub fn parse(cron: &str, time_zone: &str) -> Result<Self, Vec<Problem>> {
        match (Line::parse(cron), find_zone(time_zone)) {
            (Ok(line), Ok(zone)) => Ok(Self { line, zone }),
            (line, zone) => Err(line.err().into_iter().chain(zone.err()).collect()),
        }
    }

    /// The first time that it fires after this moment, never at it; both in UTC milliseconds. None if that is beyond
    /// the year 9999.
    #[must_use]
    pub fn next_after(&self, after: Millis) -> Option<Millis> {
        let second = after.div_euclid(1000).max(EARLIEST);
        let past = Timestamp::from_second(second).ok()?;
        let next = if self.line.every_hour() { self.by_passing_time(past) } else { self.by_local_clock(past) };
        next.map(Timestamp::as_millisecond)
    }

    /// Goes from one change of the clock to the next: in between, local time and time that passes are the same.
    fn by_passing_time(&self, past: Timestamp) -> Option<Timestamp> {
        let mut from = past.checked_add(SECOND).ok()?;
        loop {
            let offset = self.zone.to_offset(from);
            let named = self.line.first_from(offset.to_datetime(from))?;
            let change = self.zone.following(from).next().map(|change| change.timestamp());
            match (offset.to_timestamp(named).ok(), change) {
                (Some(at), None) => return Some(at),
                (Some(at), Some(change)) if at < change => return Some(at),
                (_, change) => from = change?,
            }
        }
    }

    /// Goes through the times of day that the line names, in their local order.
    ///
    /// It begins with the local time of `past` itself: if the next moment is the end of a gap, times in the gap come
    /// there.
    fn by_local_clock(&self, past: Timestamp) -> Option<Timestamp> {
        let mut from = self.zone.to_datetime(past);
        loop {
            let named = self.line.first_from(from)?;
            match self.moment(named) {
                Some(at) if at > past => return Some(at),
                _ => from = named.checked_add(SECOND).ok()?,
            }
        }
    }

    /// When a local time comes: the first time if it is repeated, at the gap's end if it is left out.
    fn moment(&self, named: DateTime) -> Option<Timestamp> {
        match self.zone.to_ambiguous_timestamp(named).offset() {
            AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => {
                offset.to_timestamp(named).ok()
            }
            AmbiguousOffset::Gap { after, .. } => {
                // By the clock after the gap, a time in the gap lies before the change.
                let before = after.to_timestamp(named).ok()?;
                self.zone.following(before).find(|change| change.offset() == after).map(|change| change.timestamp())
            }
        }
    }
}

/// Looks a zone up in the database of the program, so that a line fires at the same times on every machine.
///
/// Names are taken letter by letter: other tools, that read the same definitions, may know no `europe/berlin`.
fn find_zone(name: &str) -> Result<TimeZone, Problem> {
    let unknown = |reason: String| Problem::new("time_zone_unknown", reason).at("time_zone");
    if name.len() > MAX_ZONE_BYTES {
        return Err(unknown(format!("no time zone has a name of {} characters", name.len())));
    }
    let database = TimeZoneDatabase::bundled();
    if database.available().any(|known| known.as_str() == name) {
        return database.get(name).map_err(|error| unknown(error.to_string()));
    }
    let hint = zone_hint(name, &database)
        .unwrap_or_else(|| "use a name of the IANA database, such as Europe/Berlin or UTC".to_owned());
    Err(unknown(format!("there is no time zone {name:?}")).hint(hint))
}

/// The nearest name; for a city alone, the zone that ends with it.
fn zone_hint(name: &str, database: &TimeZoneDatabase) -> Option<String> {
    let names: Vec<_> = database.available().collect();
    let known = || names.iter().map(|known| known.as_str());
    let city = name.replace(' ', "_");
    let ends = |known: &&str| known.rsplit('/').next().is_some_and(|last| last.eq_ignore_ascii_case(&city));
    match known().find(ends) {
        Some(zone) => Some(format!("did you mean \"{zone}\"?")),
        None => suggest::hint(name, known()),
    }
}
