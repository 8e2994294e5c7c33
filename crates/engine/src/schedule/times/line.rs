//! A cron line: which local times it names. Time zones are not known here.

use croner::parser::{CronParser, Seconds, Year};
use croner::{CronPattern, Weekday};
use jiff::civil::{Date, DateTime, Time};
use model::{Problem, suggest};

/// Longest line, in bytes: far more than any sensible one, and short enough to be read in no time.
const MAX_BYTES: usize = 200;

/// The Gregorian calendar repeats after so many years, weekdays included: what names no day in them names none ever.
const CYCLE_YEARS: i16 = 400;

const FIELDS: [&str; 6] = ["second", "minute", "hour", "day of month", "month", "day of week"];
const NICKNAMES: [&str; 6] = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@hourly"];
const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// A cron line that has been read, and names at least one day.
#[derive(Clone, Debug)]
pub(super) struct Line {
    days: CronPattern,
    /// Each ascending and not empty.
    hours: Vec<i8>,
    minutes: Vec<i8>,
    seconds: Vec<i8>,
}

impl Line {
    /// Reads a line; see the module `times` for what may stand in it.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let fields = split(text)?;
        for (field, name) in fields.iter().zip(&FIELDS[FIELDS.len() - fields.len()..]) {
            if let Some(why) = strange(field, name) {
                return Err(wrong(format!("the {name} \"{field}\" cannot be read: {why}")));
            }
        }
        let days = read(&fields.join(" ")).map_err(|why| blame(&fields, &why))?;
        let line =
            Self { hours: values(&days.hours), minutes: values(&days.minutes), seconds: values(&days.seconds), days };
        if line.first_from(DateTime::constant(2000, 1, 1, 0, 0, 0, 0)).is_none() {
            let reason = format!("\"{}\" never fires: no calendar has such a day", fields.join(" "));
            return Err(Problem::new("cron_never", reason).at("cron").hint("choose a day that its month has"));
        }
        Ok(line)
    }

    /// Whether it names every hour of the day.
    pub(super) fn every_hour(&self) -> bool {
        self.hours.len() == 24
    }

    /// The first local time that it names at or after `from`; none if the calendar of the program ends before.
    pub(super) fn first_from(&self, from: DateTime) -> Option<DateTime> {
        if self.names_day(from.date())
            && let Some(time) = self.time_from(from.time())
        {
            return Some(from.date().to_datetime(time));
        }
        let time = self.time_from(Time::midnight())?;
        let last_year = from.year().saturating_add(CYCLE_YEARS);
        let mut date = from.date().tomorrow().ok()?;
        while date.year() <= last_year {
            if !self.names_month(date) {
                date = date.last_of_month().tomorrow().ok()?;
            } else if self.names_day(date) {
                return Some(date.to_datetime(time));
            } else {
                date = date.tomorrow().ok()?;
            }
        }
        None
    }

    /// The first time of day that it names at or after `from`.
    fn time_from(&self, from: Time) -> Option<Time> {
        let (minute, second) = (*self.minutes.first()?, *self.seconds.first()?);
        let at_least = |values: &[i8], least: i8| values.iter().copied().find(|value| *value >= least);
        let hour = at_least(&self.hours, from.hour())?;
        if hour > from.hour() {
            return Time::new(hour, minute, second, 0).ok();
        }
        if let Some(least) = at_least(&self.minutes, from.minute()) {
            if least > from.minute() {
                return Time::new(hour, least, second, 0).ok();
            }
            if let Some(second) = at_least(&self.seconds, from.second()) {
                return Time::new(hour, least, second, 0).ok();
            }
            if let Some(next) = at_least(&self.minutes, from.minute() + 1) {
                return Time::new(hour, next, second, 0).ok();
            }
        }
        let hour = at_least(&self.hours, from.hour() + 1)?;
        Time::new(hour, minute, second, 0).ok()
    }

    fn names_month(&self, date: Date) -> bool {
        self.days.month_match(number(date.month())).unwrap_or(false)
    }

    fn names_day(&self, date: Date) -> bool {
        let weekday = Weekday::from_days_from_sunday(number(date.weekday().to_sunday_zero_offset()));
        let (month, day) = (number(date.month()), number(date.day()));
        self.names_month(date) && self.days.day_match(i32::from(date.year()), month, day, weekday).unwrap_or(false)
    }
}

/// Parts of a date are never negative.
fn number(part: i8) -> u32 {
    u32::from(part.unsigned_abs())
}

fn values(field: &croner::CronComponent) -> Vec<i8> {
    field.values().into_iter().filter_map(|value| i8::try_from(value).ok()).collect()
}

fn wrong(reason: impl Into<String>) -> Problem {
    Problem::new("cron_wrong", reason).at("cron").hint(
        "five fields: minute, hour, day of month, month, day of week; \"30 6 * * MON-FRI\" is 6:30 on working days",
    )
}

/// Five or six fields in capitals, or one nickname.
fn split(text: &str) -> Result<Vec<String>, Problem> {
    if text.len() > MAX_BYTES {
        return Err(wrong(format!("a cron line has {MAX_BYTES} characters at most, this one has {}", text.len())));
    }
    if !text.chars().all(|letter| matches!(letter, ' '..='~' | '\t')) {
        return Err(wrong(format!("{text:?} has characters that no cron line has")));
    }
    let fields: Vec<String> = text.split_ascii_whitespace().map(str::to_ascii_uppercase).collect();
    if let [name] = fields.as_slice()
        && name.starts_with('@')
    {
        let name = name.to_ascii_lowercase();
        return NICKNAMES.contains(&name.as_str()).then_some(fields).ok_or_else(|| {
            let problem = wrong(format!("there is no nickname \"{name}\""));
            suggest::hint(&name, NICKNAMES).map_or(problem.clone(), |hint| problem.hint(hint))
        });
    }
    match fields.len() {
        5 | 6 => Ok(fields),
        0 => Err(wrong("the cron line is empty")),
        count => Err(wrong(format!("a cron line has five fields, or six with seconds; this one has {count}"))),
    }
}

/// What croner would take silently, and hardly as it was meant: nothing between commas, names in fields of another
/// kind (it reads `MON` as 1 wherever it stands), names grown together, a lone `L` among weekdays.
fn strange(field: &str, name: &str) -> Option<&'static str> {
    if field.starts_with('@') {
        return None;
    }
    let items: Vec<&str> = field.strip_prefix('+').unwrap_or(field).split(',').collect();
    if items.contains(&"") {
        return Some("there is nothing where a value should stand");
    }
    if name == "day of week" && items.contains(&"L") {
        return Some("L needs a weekday before it, as in 5L for the last Friday");
    }
    if items.contains(&"L") && items.contains(&"LW") {
        return Some("L and LW cannot stand together");
    }
    let mut words = items.iter().flat_map(|item| item.split(|letter: char| !letter.is_ascii_alphanumeric()));
    (!words.all(|word| fits(word, name))).then_some("there is a word that means nothing here")
}

fn fits(word: &str, name: &str) -> bool {
    let numeric = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if numeric(word) {
        return true;
    }
    match name {
        "day of month" => word == "L" || word == "LW" || word.strip_suffix('W').is_some_and(numeric),
        "month" => MONTHS.contains(&word),
        "day of week" => {
            let day = word.strip_suffix('L').unwrap_or(word);
            numeric(day) || WEEKDAYS.contains(&day)
        }
        _ => false,
    }
}

/// The seven-field form with years is left out: a line that ends one day is a trap.
fn read(line: &str) -> Result<CronPattern, String> {
    let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
    parser.parse(line).map(|cron| cron.pattern).map_err(|error| {
        let text = error.to_string();
        let reason = text.split_once(": ").map_or(text.as_str(), |(_, reason)| reason);
        reason.trim_end_matches('.').to_lowercase()
    })
}

/// Says which field is wrong, which croner does not: the one that cannot be read among stars.
fn blame(fields: &[String], why: &str) -> Problem {
    let names = &FIELDS[FIELDS.len() - fields.len()..];
    for (at, (field, name)) in fields.iter().zip(names).enumerate() {
        let mut line = vec!["*"; fields.len()];
        line[at] = field;
        if let Err(why) = read(&line.join(" ")) {
            return wrong(format!("the {name} \"{field}\" cannot be read: {why}"));
        }
    }
    wrong(format!("\"{}\" cannot be read: {why}", fields.join(" ")))
}
