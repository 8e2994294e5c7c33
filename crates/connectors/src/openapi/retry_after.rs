//! How long an answer asks to wait.

use model::{HttpAnswer, Millis};

/// The longest wait that is believed: a day.
const MAX: Millis = 86_400_000;

/// The wait that an answer asks for: `retry-after-ms`, else `retry-after` as seconds or as a date, which counts from
/// the answer's own `date`, so that no clock is needed. What cannot be read, or lies in the past by a negative
/// number, is as if it were not there.
#[must_use]
pub fn wait(answer: &HttpAnswer) -> Option<Millis> {
    if let Some(millis) = answer.header("retry-after-ms").and_then(|text| number(text, 1.0)) {
        return Some(millis);
    }
    let text = answer.header("retry-after")?.trim();
    if let Some(millis) = number(text, 1000.0) {
        return Some(millis);
    }
    let wait = date(text)? - date(answer.header("date")?.trim())?;
    Some(wait.clamp(0, MAX))
}

/// A number that is not negative, times `unit`, in milliseconds rounded up.
fn number(text: &str, unit: f64) -> Option<Millis> {
    let text = text.trim();
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number: f64 = plain.then(|| text.parse().ok()).flatten()?;
    #[allow(clippy::cast_possible_truncation, reason = "between 0 and a day")]
    Some((number * unit).ceil().clamp(0.0, MAX as f64) as Millis)
}

/// The date of HTTP, `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7), in milliseconds. The day's name is not
/// compared; the two forms that are obsolete since 1997 are not read.
pub(super) fn date(text: &str) -> Option<Millis> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, rest) = text.split_once(", ")?;
    let parts: Vec<&str> = rest.split(' ').collect();
    let [day, month, year, clock, "GMT"] = parts[..] else { return None };
    let clock: Vec<&str> = clock.split(':').collect();
    let [hour, minute, second] = clock[..] else { return None };
    let month = MONTHS.iter().position(|name| *name == month)?;
    let day = digits(day, 2)?;
    let (hour, minute, second) = (digits(hour, 2)?, digits(minute, 2)?, digits(second, 2)?);
    if !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let days = days_before(digits(year, 4)?, i64::try_from(month).ok()?) + day - 1;
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000)
}

/// The same time as HTTP's date has it, in milliseconds since 1970.
pub(super) fn unix(date: Millis) -> Millis {
    date - days_before(1970, 0) * 86_400_000
}

fn digits(text: &str, count: usize) -> Option<i64> {
    (text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// Days from 1 January of the year 0 to the first of a month (counted from 0).
fn days_before(year: i64, month: i64) -> i64 {
    const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let leaps_before = if year == 0 { 0 } else { (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400 + 1 };
    let leap_day = i64::from(is_leap && month > 1);
    year * 365 + leaps_before + BEFORE[usize::try_from(month).unwrap_or(0).min(11)] + leap_day
}
