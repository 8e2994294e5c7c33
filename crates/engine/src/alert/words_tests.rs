//! What is said, word by word.

use super::*;
use serde_json::json;

const NOW: Millis = 1_790_000_000_000;

fn body(what: What) -> Body {
    let subject = |name: &str| Subject { name: name.to_owned(), says: "7 tasks failed <b> & more".to_owned() };
    Body {
        alert: "ocr-fails".to_owned(),
        what,
        at: NOW,
        since: NOW - 3_720_000,
        when: serde_json::from_value(json!({ "type": "failed_tasks", "count": 5 })).unwrap(),
        subjects: vec![subject("route a"), subject("route b")],
        fresh: vec!["route b".to_owned()],
    }
}

#[test]
fn titles_say_what_it_is_about() {
    let cases = [
        (What::Firing, "ocr-fails: route a: 7 tasks failed <b> & more"),
        (What::More, "ocr-fails, more: route b: 7 tasks failed <b> & more"),
        (What::Still, "ocr-fails goes on: route a: 7 tasks failed <b> & more"),
        (What::Resolved, "ocr-fails is over"),
        (What::Test, "ocr-fails: this is a test"),
    ];
    for (what, expected) in cases {
        assert_eq!(title(&body(what)), expected);
    }
    let mut long = body(What::Firing);
    long.subjects[0].says = "x\r\n".repeat(1_000);
    let title = title(&long);
    assert!(title.chars().count() <= TITLE + 1 && !title.contains(['\r', '\n']), "{title:?}");
}

#[test]
fn a_text_lists_everything_and_marks_what_is_new() {
    let text = in_words(&body(What::More));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "More has come to the alert ocr-fails, which lasts since 2026-09-21T13:11:20Z.");
    assert_eq!(lines[2..4], ["- route a: 7 tasks failed <b> & more", "- route b (new): 7 tasks failed <b> & more"]);
    assert_eq!(
        lines[5..],
        ["It watches for: 5 failed tasks of a route or incoming within 10m", "Time: 2026-09-21T14:13:20Z"]
    );
    assert!(in_words(&body(What::Resolved)).starts_with("The alert ocr-fails is over. It lasted 1h 2m"));
    let mut many = body(What::Firing);
    many.subjects = vec![many.subjects[0].clone(); LISTED + 5];
    assert!(in_words(&many).contains("- and 5 more\n"));
}

#[test]
fn payloads_have_their_forms() {
    let payload = payload(&body(What::Firing), "0a1b2c3d");
    assert_eq!((&payload["type"], &payload["timestamp"]), (&json!("alert.firing"), &json!("2026-09-21T14:13:20Z")));
    assert_eq!(
        payload["data"]["subjects"][1],
        json!({ "name": "route b", "says": "7 tasks failed <b> & more", "new": true })
    );
    assert_eq!((&payload["data"]["test"], &payload["data"]["store"]), (&json!(false), &json!("0a1b2c3d")));
    let text = channel(&body(What::Firing))["text"].as_str().unwrap().to_owned();
    assert!(text.contains("&lt;b&gt; &amp; more") && !text.contains('<'), "{text}");
}

#[test]
fn lengths_of_time_and_sizes_are_short() {
    let spans = [
        (0, "0s"),
        (999, "0s"),
        (59_000, "59s"),
        (60_000, "1m"),
        (3_720_000, "1h 2m"),
        (90_000_000, "1d 1h"),
        (-5, "0s"),
    ];
    for (millis, expected) in spans {
        assert_eq!(span(millis), expected);
    }
    for (bytes, expected) in [(0, "0 B"), (1_023, "1023 B"), (1_536, "1.5 KiB"), (5 << 30, "5.0 GiB")] {
        assert_eq!(size(bytes), expected);
    }
}
