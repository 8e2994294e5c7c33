//! What each rule finds in which facts.

use super::super::facts::{Budget, Retiring, Space};
use super::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use store::KeyRefused;

const NOW: Millis = 1_790_000_000_000;
const HOUR: Millis = 3_600_000;

fn facts() -> Facts {
    let of = |pairs: &[(&str, i64)]| pairs.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect::<BTreeMap<_, _>>();
    let counts = |pairs: &[(&str, i64)]| of(pairs).into_iter().map(|(name, n)| (name, n.unsigned_abs())).collect();
    Facts {
        failed: counts(&[("route ocr", 5), ("route other", 1), ("incoming mails", 7)]),
        unknown: counts(&[("route ocr", 2), ("route other", 0)]),
        waiting: of(&[("route ocr", NOW - HOUR), ("route other", NOW - HOUR / 2), ("incoming mails", NOW - 2 * HOUR)]),
        missed: BTreeMap::from([
            ("nightly".to_owned(), Missed::LeftOut(7)),
            ("hourly".to_owned(), Missed::Overdue(NOW - HOUR)),
        ]),
        budgets: BTreeMap::from([
            ("eu".to_owned(), Budget { calls: Some((79, 100)), cost: Some((8_000_000_000, 10_000_000_000)) }),
            ("us".to_owned(), Budget { calls: None, cost: Some((0, 0)) }),
        ]),
        refused: vec![KeyRefused { client: "eu".to_owned(), status: 401, since: NOW - HOUR }],
        space: Some(Space { free: 5 << 30, all: 100 << 30 }),
        retiring: vec![
            retiring("old", NOW - HOUR, Some("new"), &[]),
            retiring("soon", NOW + 30 * 24 * HOUR, Some("new"), &["ocr", "mails"]),
            retiring("later", NOW + 31 * 24 * HOUR, None, &[]),
        ],
    }
}

fn retiring(model: &str, at: Millis, replacement: Option<&str>, routes: &[&str]) -> Retiring {
    Retiring {
        client: "eu".to_owned(),
        model: model.to_owned(),
        at,
        replacement: replacement.map(str::to_owned),
        routes: routes.iter().map(|route| (*route).to_owned()).collect(),
    }
}

/// Names of what a rule finds.
fn names(when: Value) -> Vec<String> {
    let when: When = serde_json::from_value(when).unwrap();
    subjects(&when, &facts(), NOW).into_iter().map(|subject| subject.name).collect()
}

#[test]
fn each_rule_finds_what_it_watches_for() {
    let cases: Vec<(Value, &[&str])> = vec![
        (json!({ "type": "failed_tasks" }), &["incoming mails", "route ocr", "route other"]),
        (json!({ "type": "failed_tasks", "count": 5 }), &["incoming mails", "route ocr"]),
        (json!({ "type": "failed_tasks", "count": 8 }), &[]),
        (json!({ "type": "failed_tasks", "route": "ocr", "count": 5 }), &["route ocr"]),
        (json!({ "type": "failed_tasks", "route": "ocr", "count": 6 }), &[]),
        (json!({ "type": "failed_tasks", "route": "mails" }), &[]),
        (json!({ "type": "unknown_outcomes" }), &["route ocr"]),
        (json!({ "type": "unknown_outcomes", "route": "ocr" }), &["route ocr"]),
        (json!({ "type": "unknown_outcomes", "route": "other" }), &[]),
        (json!({ "type": "oldest_waiting", "longer_than": "45m" }), &["incoming mails", "route ocr"]),
        (json!({ "type": "oldest_waiting", "longer_than": "1h" }), &["incoming mails"]),
        (json!({ "type": "oldest_waiting", "longer_than": "1h", "route": "ocr" }), &[]),
        (json!({ "type": "oldest_waiting", "longer_than": "59m", "route": "ocr" }), &["route ocr"]),
        (json!({ "type": "schedule_missed" }), &["schedule hourly", "schedule nightly"]),
        (json!({ "type": "budget", "client": "eu" }), &["cost of eu"]),
        (json!({ "type": "budget", "client": "eu", "percent": 79 }), &["calls of eu", "cost of eu"]),
        (json!({ "type": "budget", "client": "eu", "percent": 81 }), &[]),
        (json!({ "type": "budget", "client": "us" }), &[]),
        (json!({ "type": "budget", "client": "gone" }), &[]),
        (json!({ "type": "key_refused" }), &["key of eu"]),
        (json!({ "type": "key_refused", "client": "eu" }), &["key of eu"]),
        (json!({ "type": "key_refused", "client": "us" }), &[]),
        (json!({ "type": "disk", "free_below": "5GiB" }), &[]),
        (json!({ "type": "disk", "free_below": "5121MiB" }), &["disk of the data folder"]),
        (json!({ "type": "disk", "free_below": "5%" }), &[]),
        (json!({ "type": "disk", "free_below": "6%" }), &["disk of the data folder"]),
        (json!({ "type": "model_retirement" }), &["model old of eu", "model soon of eu"]),
        (json!({ "type": "model_retirement", "within": "29d" }), &["model old of eu"]),
        (
            json!({ "type": "model_retirement", "within": "31d" }),
            &["model old of eu", "model soon of eu", "model later of eu"],
        ),
    ];
    for (when, expected) in cases {
        assert_eq!(names(when.clone()), expected, "{when}");
        let when: When = serde_json::from_value(when).unwrap();
        assert_eq!(subjects(&when, &Facts::default(), NOW), Vec::new(), "without facts nothing is found: {when:?}");
    }
}

#[test]
fn what_is_found_is_said_in_one_line() {
    let says = |when: Value| {
        let when: When = serde_json::from_value(when).unwrap();
        subjects(&when, &facts(), NOW).into_iter().map(|subject| subject.says).collect::<Vec<_>>().join(" | ")
    };
    let at = |hours: i64| time(NOW + hours * HOUR);
    let cases = [
        (json!({ "type": "failed_tasks", "route": "ocr", "count": 2 }), "5 tasks failed within 10m".to_owned()),
        (json!({ "type": "failed_tasks", "route": "other" }), "1 task failed within 10m".to_owned()),
        (
            json!({ "type": "oldest_waiting", "route": "ocr", "longer_than": "1m" }),
            format!("a task could be begun since {}, 1h ago", at(-1)),
        ),
        (
            json!({ "type": "schedule_missed" }),
            format!("it was due at {} and has not begun | its latest time was left out; run 7 says why", at(-1)),
        ),
        (json!({ "type": "budget", "client": "eu" }), "8.00 of 10.00 for this day, 80%".to_owned()),
        (json!({ "type": "key_refused" }), format!("the service answers 401 to its key since {}", at(-1))),
        (json!({ "type": "disk", "free_below": "10%" }), "5.0 GiB of 100.0 GiB are free, less than 10%".to_owned()),
        (
            json!({ "type": "model_retirement" }),
            "it went on 2026-09-21; the service names new for it | it goes on 2026-10-21; the service names new for it; used by ocr, mails".to_owned(),
        ),
    ];
    for (when, expected) in cases {
        assert_eq!(says(when.clone()), expected, "{when}");
    }
}

#[test]
fn names_of_the_far_side_add_no_lines() {
    let mut facts = facts();
    facts.retiring = vec![retiring("a\r\nBcc: eve@example.com\u{2028}\u{1b}[31m", NOW, Some("b\nc"), &[])];
    let when: When = serde_json::from_value(json!({ "type": "model_retirement" })).unwrap();
    for subject in subjects(&when, &facts, NOW) {
        for text in [subject.name, subject.says] {
            assert!(!text.contains(|letter: char| letter.is_control() || letter == '\u{2028}'), "{text:?}");
        }
    }
}
