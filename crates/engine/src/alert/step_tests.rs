//! Cell by cell: what is said at which look.

use super::*;
use serde_json::json;

const NOW: Millis = 1_790_000_000_000;
const SECOND: Millis = 1_000;
const MINUTE: Millis = 60 * SECOND;

fn alert(group_for: &str, repeat: &str, at_most: u32) -> Alert {
    serde_json::from_value(json!({
        "when": { "type": "unknown_outcomes" }, "send": [],
        "group_for": group_for, "repeat": repeat, "at_most": at_most,
    }))
    .unwrap()
}

/// Subjects by name: `"a b"`.
fn found(names: &str) -> Vec<Subject> {
    names.split_whitespace().map(|name| Subject { name: name.to_owned(), says: format!("{name} says") }).collect()
}

/// One look: seconds since the beginning, what there is, and whether it is muted.
type Look<'a> = (Millis, &'a str, bool);

/// Lives through looks; what was said: `0 firing a; 90 resolved a`.
fn lived(alert: &Alert, looks: &[Look<'_>]) -> String {
    let mut state = State::default();
    let mut said = Vec::new();
    for (seconds, names, is_muted) in looks {
        let now = NOW + seconds * SECOND;
        let (next, one) = step(alert, &state, found(names), *is_muted, now);
        if let Some(Said { what, subjects, fresh, .. }) = one {
            let names: Vec<String> =
                subjects
                    .iter()
                    .map(|subject| {
                        if fresh.contains(&subject.name) { format!("+{}", subject.name) } else { subject.name.clone() }
                    })
                    .collect();
            said.push(format!("{seconds} {} {}", what.as_str(), names.join(" ")));
        }
        // What is written is what is read: the state goes through the store.
        state = serde_json::from_str(&serde_json::to_string(&next).unwrap()).unwrap();
        assert_eq!(state, next);
    }
    said.join("; ")
}

#[test]
fn each_look_says_what_it_should() {
    let usual = alert("30s", "4h", 10);
    let hour = 3_600;
    let cases: [(&str, &[Look<'_>], &str); 17] = [
        ("nothing", &[(0, "", false), (15, "", false)], ""),
        ("the first is said at once", &[(0, "", false), (15, "a", false)], "15 firing +a"),
        ("it is said once", &[(0, "a", false), (15, "a", false), (3_000, "a", false)], "0 firing +a"),
        (
            "more is gathered for a while",
            &[(0, "a", false), (15, "a b", false), (30, "a b c", false), (45, "a b c", false)],
            "0 firing +a; 45 more a +b +c",
        ),
        (
            "more that went again is not said",
            &[(0, "a", false), (15, "a b", false), (30, "a", false), (60, "a", false)],
            "0 firing +a",
        ),
        (
            "what comes again is new",
            &[(0, "a b", false), (15, "a", false), (30, "a b", false), (60, "a b", false)],
            "0 firing +a +b; 60 more a +b",
        ),
        (
            "it is repeated while it lasts",
            &[(0, "a", false), (4 * hour - 1, "a", false), (4 * hour, "a", false), (8 * hour, "a b", false)],
            "0 firing +a; 14400 still a; 28800 still a +b",
        ),
        (
            "its end is said once it is quiet",
            &[(0, "a", false), (15, "", false), (30, "", false), (45, "", false), (60, "", false)],
            "0 firing +a; 45 resolved a",
        ),
        (
            "an end that was none is not said",
            &[(0, "a", false), (15, "", false), (30, "a", false), (45, "", false), (60, "", false)],
            "0 firing +a",
        ),
        (
            "after its end it begins anew",
            &[(0, "a", false), (15, "", false), (45, "", false), (60, "a", false)],
            "0 firing +a; 45 resolved a; 60 firing +a",
        ),
        ("nothing is said of what came and went while muted", &[(0, "a", true), (15, "", true), (30, "", false)], ""),
        ("muted, it is said later", &[(0, "a", true), (15, "a", true), (30, "a b", false)], "30 firing +a +b"),
        (
            "muted, its end is said later",
            &[(0, "a", false), (15, "", true), (60, "", true), (75, "", false)],
            "0 firing +a; 75 resolved a",
        ),
        (
            "muted, more is said later",
            &[(0, "a", false), (15, "a b", true), (60, "a b", true), (75, "a b", false)],
            "0 firing +a; 75 more a +b",
        ),
        ("a long silence of looks changes nothing", &[(0, "a", false), (3 * hour, "a", false)], "0 firing +a"),
        (
            "an end is said although nobody looked for long",
            &[(0, "a", false), (9 * hour, "", false), (9 * hour + 30, "", false)],
            "0 firing +a; 32430 resolved a",
        ),
        ("a repetition says what is new", &[(0, "a", false), (4 * hour, "b", false)], "0 firing +a; 14400 still +b"),
    ];
    for (name, looks, expected) in cases {
        assert_eq!(lived(&usual, looks), expected, "{name}");
    }
    let at_once = alert("0s", "4h", 10);
    assert_eq!(
        lived(&at_once, &[(0, "a", false), (15, "a b", false), (30, "", false)]),
        "0 firing +a; 15 more a +b; 30 resolved a b"
    );
}

#[test]
fn there_is_no_storm_and_the_truth_comes_in_the_end() {
    let alert = alert("0s", "1m", 3);
    // It comes and goes at every look, for two hours.
    let looks: Vec<Look<'_>> = (0..480).map(|at| (at * 15, if at % 2 == 0 { "a" } else { "" }, false)).collect();
    let said = lived(&alert, &looks);
    let times: Vec<Millis> = said.split("; ").map(|one| one.split(' ').next().unwrap().parse().unwrap()).collect();
    for window in times.windows(4) {
        assert!(window[3] - window[0] >= 3_600, "four within an hour: {said}");
    }
    assert!((6..=7).contains(&times.len()), "{said}");
    // What is held back is said as it stands then.
    let burst =
        [(0, "a", false), (1, "", false), (2, "a", false), (3, "", false), (4, "a b", false), (3_700, "a b", false)];
    assert_eq!(lived(&alert, &burst), "0 firing +a; 1 resolved a; 2 firing +a; 3700 still a +b");
}

#[test]
fn what_is_known_of_an_alert_is_bounded() {
    let alert = alert("0s", "1m", 1_000);
    let mut state = State::default();
    for look in 0..20_000 {
        let names = if look % 2 == 0 { "a" } else { "" };
        state = step(&alert, &state, found(names), false, NOW + look * 15 * SECOND).0;
        assert!(state.recent.len() <= 240 && state.told.len() <= 1 && state.subjects.len() <= 1);
    }
    assert_eq!(
        step(&alert, &state, found(""), false, NOW + 20_000 * MINUTE).0.recent.len(),
        1.min(usize::from(state.since.is_some()))
    );
}
