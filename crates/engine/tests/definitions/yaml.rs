//! YAML: what is read, what is refused, and in which line.

use crate::{brief, fake, parse, source};
use engine::definitions::{Draft, plan};
use model::Problem;
use serde_json::{Value, json};

/// Reads a text as the one payload of an inline subscriber.
fn payload(text: &str) -> Result<Value, Vec<Problem>> {
    let indented: Vec<String> = text.lines().map(|line| format!("        {line}")).collect();
    let body = format!(
        "incoming:\n  i:\n    subscriber:\n     type: inline\n     payloads:\n      -\n{}\n",
        indented.join("\n")
    );
    read(parse("a.yaml", &body)?)
}

fn read(draft: Draft) -> Result<Value, Vec<Problem>> {
    let plan = plan(draft, &[], &fake::registry(), false)?;
    let body: Value = serde_json::from_str(plan.changes[0].body.as_deref().unwrap()).unwrap();
    Ok(body["subscriber"]["payloads"][0].clone())
}

#[test]
fn scalars_are_those_of_the_core_schema() {
    let cases = [
        ("", json!(null)),
        (" ~", json!(null)),
        (" null", json!(null)),
        (" true", json!(true)),
        (" FALSE", json!(false)),
        (" yes", json!("yes")),
        (" on", json!("on")),
        (" 12", json!(12)),
        (" -7", json!(-7)),
        (" +7", json!(7)),
        (" 18446744073709551615", json!(u64::MAX)),
        (" -9223372036854775808", json!(i64::MIN)),
        (" 0x1F", json!(31)),
        (" 0o17", json!(15)),
        (" 1.5", json!(1.5)),
        (" .5", json!(0.5)),
        (" 1e3", json!(1000.0)),
        (" 1.", json!(1.0)),
        (" 1_000", json!("1_000")),
        (" 0b1", json!("0b1")),
        (" 1e", json!("1e")),
        (" .", json!(".")),
        (" e3", json!("e3")),
        (" 12:30", json!("12:30")),
        (" 2026-01-31", json!("2026-01-31")),
        (" \"12\"", json!("12")),
        (" 'true'", json!("true")),
        (" \"\\u00e9\\n\"", json!("é\n")),
        (" {a: 1, b: [x, ~]}", json!({"a": 1, "b": ["x", null]})),
        (" {404: a, true: b}", json!({"404": "a", "true": "b"})),
        (" |\n  .a\n    | .b\n\n", json!(".a\n  | .b\n")),
        (" |-\n  .a # no comment\n  | .b", json!(".a # no comment\n| .b")),
        (" >\n  one\n  line", json!("one line\n")),
        (" &x {a: &y [1], b: *y}", json!({"a": [1], "b": [1]})),
    ];
    for (text, expected) in cases {
        assert_eq!(payload(text), Ok(expected), "{text}");
    }
}

#[test]
fn what_reads_otherwise_than_it_looks_is_refused() {
    let cases = [
        (" !!str 12", "yaml_tag", 7),
        (" !ruby/object {}", "yaml_tag", 7),
        ("a: 1\nb: 2\na: 3", "yaml_duplicate_key", 9),
        (" {a: 1, \"a\": 2}", "yaml_duplicate_key", 7),
        ("a: &d {x: 1}\nb:\n  <<: *d", "yaml_merge_key", 9),
        (" 18446744073709551616", "yaml_number", 7),
        (" 0xFFFFFFFFFFFFFFFFF", "yaml_number", 7),
        (" .inf", "yaml_number", 7),
        (" -.INF", "yaml_number", 7),
        (" .nan", "yaml_number", 7),
        (" 1e999", "yaml_number", 7),
        ("[a]: 1", "yaml_key", 7),
        ("{a: 1}: 1", "yaml_key", 7),
        (" &a [*a]", "yaml_alias", 7),
        (" *nobody", "yaml_syntax", 7),
    ];
    for (text, code, line) in cases {
        let found = payload(text).unwrap_err();
        assert_eq!((&*found[0].code, found[0].line), (code, Some(line)), "{text}\n{found:?}");
        assert_eq!(found[0].file.as_deref(), Some("a.yaml"));
    }
}

#[test]
fn a_key_twice_names_the_first() {
    let found = payload("a: 1\nb: 2\na: 3").unwrap_err();
    assert_eq!(found[0].reason, "\"a\" stands here twice, first in line 7");
}

#[test]
fn broken_yaml_says_where_and_why() {
    let cases: [(&str, u64, &str); 9] = [
        ("routes:\n\tdescribe: {}\n", 2, "a tab stands where YAML wants spaces"),
        ("routes:\n  a: {\n  b: 1\n", 3, "a bracket or quote that was opened before"),
        ("routes:\n  a: [1, 2\n", 3, "a [ … ] is not closed"),
        ("routes:\n  a: b: c\n", 2, "a second \": \" in this line"),
        ("routes:\n  a: \"never closed\n  b: 1\n", 2, "a quoted text is not closed"),
        ("routes:\n  a: 1\n b: 2\n", 3, "a line that is no \"key: value\""),
        ("routes:\n  a: \"\\q\"\n", 2, "an unknown escape"),
        ("routes:\n  a: 1\n  just text\n", 4, "a line that is no \"key: value\""),
        ("routes: ]\n", 1, "a closing bracket without"),
    ];
    for (text, line, reason) in cases {
        let found = parse("a.yaml", text).unwrap_err();
        assert_eq!(found.len(), 1, "{text}\n{found:?}");
        assert_eq!(found[0].code, "yaml_syntax", "{text}");
        assert!(found[0].reason.starts_with("column "), "{text}\n{found:?}");
        assert!(found[0].line == Some(line) && found[0].reason.contains(reason), "{text}\n{found:?}");
    }
}

#[test]
fn every_file_is_read_before_anything_is_said() {
    let sources = [
        source("a.yaml", "routes: [\n"),
        source("b.yaml", b"routes:\n  \xffx: 1\n"),
        source("c.yaml", "a: !x 1\nb: !y 2\n"),
    ];
    let found = Draft::parse(sources).unwrap_err();
    let files: Vec<&str> = found.iter().filter_map(|problem| problem.file.as_deref()).collect();
    assert_eq!(files, ["a.yaml", "b.yaml", "c.yaml", "c.yaml"]);
}

#[test]
fn bytes_that_are_no_text() {
    let cases: [(&[u8], &str, u64); 5] = [
        (b"routes:\n  a: \xff\n", "not_utf8", 2),
        (b"\xff\xfer\0o\0", "not_utf8", 1),
        (b"\xfe\xff\0r\0o", "not_utf8", 1),
        (b"routes:\n\n  a: x\0y\n", "control_character", 3),
        (b"routes:\n  a: \x1b[31m\n", "control_character", 2),
    ];
    for (bytes, code, line) in cases {
        let found = Draft::parse([source("a.yaml", bytes)]).unwrap_err();
        assert_eq!(brief(&found), [(code.to_owned(), String::new(), Some(line))]);
    }
    let fine = Draft::parse([source("a.yaml", "\u{feff}outgoing:\r\n  o: { publisher: { type: none } }\r\n")]);
    assert_eq!(fine.unwrap().names().count(), 1);
}

#[test]
fn bombs_are_put_out() {
    let mut laughs = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..30 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        laughs.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    let long = format!("a: &a \"{}\"\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 100].join(", "));
    let nested_anchors =
        format!("{}{}", (0..60).map(|level| format!("&a{level} [")).collect::<String>(), "1, ".repeat(100_000));
    let cases = [
        (laughs, "yaml_too_large"),
        (long, "yaml_too_large"),
        (nested_anchors + &"]".repeat(60), "yaml_too_large"),
        ("[".repeat(100_000), "yaml_too_deep"),
        ("{a: ".repeat(100_000), "yaml_too_deep"),
        ("- ".repeat(100_000), "yaml_too_deep"),
    ];
    for (text, code) in cases {
        let found = parse("a.yaml", &text).unwrap_err();
        assert_eq!(found.last().map(|problem| &*problem.code), Some(code), "{}", &text[..60]);
    }
}

#[test]
fn depth_is_counted_through_aliases() {
    let deep = format!("a: &a {}1{}\nb: {}*a{}\n", "[".repeat(40), "]".repeat(40), "[".repeat(40), "]".repeat(40));
    assert_eq!(parse("a.yaml", &deep).unwrap_err()[0].code, "yaml_too_deep");
}

#[test]
fn many_keys_are_read_in_reasonable_time() {
    let text: String = (0..50_000).map(|number| format!("k{number}: 1\n")).collect();
    let found = parse("a.yaml", &text).unwrap_err();
    assert!(found.iter().all(|problem| problem.code == "unknown_kind"));
}

#[test]
fn json_is_read_by_the_same_code() {
    let text = "{\n\t\"incoming\": {\"i\": {\"subscriber\": {\"type\": \"inline\", \"payloads\": [\"\\ud83d\\ude00 \\\\ud83d \\/ \\\"\"]}}}\n}\n";
    let draft = parse("a.json", text).unwrap();
    assert_eq!(read(draft), Ok(json!("😀 \\ud83d / \"")));
    assert_eq!(parse("a.json", "{\"routes\": {\"a\": \"\\ud83d\"}}").unwrap_err()[0].code, "yaml_syntax");
}

#[test]
fn a_file_may_hold_several_documents() {
    let text =
        "outgoing:\n  a: { publisher: { type: none } }\n---\n---\noutgoing:\n  b: { publisher: { type: none } }\n";
    assert_eq!(parse("a.yaml", text).unwrap().names().count(), 2);
    assert_eq!(parse("a.yaml", "# nothing\n").unwrap().names().count(), 0);
    let twice = text.replace("  b:", "  a:");
    assert_eq!(brief(&parse("a.yaml", &twice).unwrap_err()), [("defined_twice".into(), "outgoing.a".into(), Some(6))]);
}
