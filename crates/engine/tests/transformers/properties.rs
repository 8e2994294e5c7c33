//! What holds for all payloads.

use super::{chain, context, jq, part};
use engine::transformers::path::{Path, Step};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Names that meet in payloads and options, odd ones among them.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![Just("a"), Just("b"), Just("c"), Just("x.y"), Just(""), Just("é \"q\" \\"), Just("[0]")]
        .prop_map(str::to_owned)
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-5i64..5).prop_map(Value::from),
        prop::num::f64::NORMAL.prop_map(Value::from),
        (0i64..10_000).prop_map(|cents| json!(cents as f64 / 100.0)),
    ]
}

fn payload() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number(),
        ".{0,8}".prop_map(Value::from),
        name().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((name(), inner), 0..5)
                .prop_map(|entries| Value::Object(entries.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => name().prop_map(Step::Key),
        2 => ".{0,6}".prop_map(Step::Key),
        2 => (-3i64..4).prop_map(Step::Index),
        1 => Just(Step::Members),
        1 => Just(Step::Items),
    ]
}

fn path() -> impl Strategy<Value = Path> {
    prop::collection::vec(step(), 0..5).prop_map(Path::new)
}

/// Options of every kind, in which the payloads' names occur.
fn samples() -> Vec<(&'static str, Value)> {
    vec![
        ("set", json!({ "values": { "a.b": 1, "b[0]": [], "*.c": {}, "c[*].a": null } })),
        ("set", json!({ "values": { "a[*].b": 1, "b.*": 2 }, "only_missing": true })),
        ("copy", json!({ "from": "a[*].b", "to": "c" })),
        ("copy", json!({ "from": "a.*", "to": "b.*" })),
        ("move", json!({ "from": "a[*]", "to": "b[*]" })),
        ("move", json!({ "from": "a", "to": "a.b[0].c" })),
        ("move", json!({ "from": "*", "to": "a" })),
        ("remove", json!({ "paths": ["a[0]", "b[-1]", "*.*", "[*]", "\"x.y\""] })),
        ("map", json!({ "path": "a.*", "values": { "": 1 }, "default": 2 })),
        ("filter", json!({ "where": "*", "matches": "a" })),
        ("filter", json!({ "where": "a", "greater": 0, "not_in": [1, "x"], "empty": false })),
        ("filter", json!({ "jq": "any(..; . == 1)" })),
        ("split", json!({ "path": "a", "keep": { "c.d": "b" } })),
        ("split", json!({ "path": ".", "as": "x" })),
        ("merge", json!({ "from": ["a", "b"], "to": "c", "value": { "a": { "b": [1] } }, "lists": "append" })),
        ("jq", json!({ "filter": "." })),
        ("jq", json!({ "filter": "[..] | length, (tojson | fromjson), (to_entries? // 1)" })),
        ("jq", json!({ "filter": ".a.b |= 1" })),
        ("jq", json!({ "filter": "del(.. | select(. == null)), (.. |= .), [paths]" })),
        ("jq", json!({ "filter": "[.[]?] | sort, group_by(.), unique, (map(tostring) | join(\",\")), add?" })),
        (
            "jq",
            json!({ "filter": "[.. | numbers | ., -., . + 1, . * 2, . / 3, floor, sqrt, tostring, length, (. % 7)?] | length" }),
        ),
        (
            "jq",
            json!({ "filter": "[.. | strings | length, explode, ascii_upcase, ltrimstr(\"a\"), .[1:], test(\"a\"), @uri, @html, @sh, @base64, (@base64d)?, (tonumber)?, (fromdate)?, (strptime(\"%Y\"))?, split(\"\")] | length" }),
        ),
        (
            "jq",
            json!({ "filter": "[.. | (todate, gmtime, mktime, strftime(\"%c\"), implode, transpose, flatten, tostring, keys, has(0), index(1), first, last, nth(0), min, max, bsearch(1), contains(1), splits(\"a\"), ascii_downcase, combinations, from_entries, getpath([\"a\"]), @csv, @tsv, @json)?] | length" }),
        ),
        (
            "template",
            json!({ "to": "t", "template": "{{ a | default(1) }} {% for x in payload %}{{ x }}{% endfor %} {{ payload | tojson }}" }),
        ),
    ]
}

proptest! {
    #[test]
    fn no_transformer_panics(payload in payload()) {
        for (kind, options) in samples() {
            let chain = chain(&[part(kind, options.clone())]).unwrap();
            if let Err(problem) = chain.apply(payload.clone(), &mut context()) {
                prop_assert!(problem.code != "transformer_panicked", "{kind} {options}: {problem:?}");
                prop_assert!(!problem.reason.is_empty() && problem.reason.len() < 1_000, "{problem:?}");
            }
        }
    }

    #[test]
    fn jq_passes_every_payload_unchanged(payload in payload()) {
        for filter in [".", "[.] | .[0]", "{a: .} | .a", "tojson | fromjson"] {
            prop_assert_eq!(jq(filter, payload.clone()).unwrap(), std::slice::from_ref(&payload), "{}", filter);
        }
    }

    #[test]
    fn paths_are_read_as_they_are_written(path in path()) {
        let text = path.to_string();
        prop_assert_eq!(text.parse::<Path>().unwrap(), path);
        prop_assert_eq!(text.parse::<Path>().unwrap().to_string(), text);
    }

    #[test]
    fn no_text_breaks_the_path_reader(text in ".{0,20}") {
        match text.parse::<Path>() {
            Ok(path) => prop_assert_eq!(path.to_string().parse::<Path>().unwrap(), path),
            Err(problem) => prop_assert_eq!(problem.code, "wrong_path"),
        }
    }

    #[test]
    fn what_is_set_is_found(mut payload in payload(), path in path(), value in payload()) {
        prop_assume!(path.wildcards() == 0);
        if path.set(&mut payload, value.clone()).is_ok() {
            prop_assert_eq!(path.find(&payload), Some(&value));
            prop_assert_eq!(payload.pointer(&pointer(&path, &payload)), Some(&value));
        }
    }

    #[test]
    fn what_is_found_is_taken(mut payload in payload(), path in path()) {
        let found: Vec<_> = path.find_all(&payload).into_iter().map(|(bound, value)| (bound, value.clone())).collect();
        for (bound, value) in &found {
            prop_assert_eq!(path.bind(bound).find(&payload), Some(value));
        }
        prop_assert_eq!(path.take(&mut payload), found);
    }

    #[test]
    fn move_there_and_back_changes_nothing_but_the_order(
        entries in prop::collection::vec((name(), payload()), 1..5),
        one in any::<prop::sample::Index>(),
        wrap in any::<bool>(),
    ) {
        let from = one.get(&entries).0.clone();
        let mut whole: Map<String, Value> = entries.into_iter().collect();
        whole.insert("inner".to_owned(), json!({ "other": 1 }));
        let payload = Value::Object(whole);
        let from = Path::new(vec![Step::Key(from)]).to_string();
        let to = if wrap { "inner.new" } else { "new" };
        let there = part("move", json!({ "from": from, "to": to }));
        let back = part("move", json!({ "from": to, "to": from }));
        let moved = chain(std::slice::from_ref(&there)).unwrap().apply(payload.clone(), &mut context()).unwrap();
        prop_assert_ne!(&moved[0], &payload);
        let both = chain(&[there, back]).unwrap().apply(payload.clone(), &mut context()).unwrap();
        prop_assert_eq!(both, [payload]);
    }
}

/// The JSON pointer of a path, with items counted from the start.
fn pointer(path: &Path, root: &Value) -> String {
    let mut here = Path::default();
    let mut steps = Vec::new();
    for step in path.steps() {
        let step = match (step, here.find(root)) {
            (Step::Index(at), Some(Value::Array(list))) if *at < 0 => Step::Index(list.len() as i64 + at),
            _ => step.clone(),
        };
        steps.push(step);
        here = Path::new(steps.clone());
    }
    here.pointer()
}
