//! The publisher `file`: every batch is there whole or not at all, and nothing else is touched.

use crate::desk::Desk;
use model::driver::{Failure, Recovery, Target, TargetDriver};
use model::{Effect, Evidence};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;
use systems::file::FilePublisher;

fn target(desk: &Desk, name: &str) -> Arc<dyn Target> {
    FilePublisher.target(&json!({"path": desk.path(name), "format": "jsonl"})).unwrap()
}

fn deliver(desk: &Desk, target: &Arc<dyn Target>, batch: &[Value]) -> Result<(), Failure> {
    desk.run(async { target.deliver(&target.mark().await?, batch).await })
}

fn read(desk: &Desk, name: &str) -> Vec<u8> {
    std::fs::read(desk.path(name)).unwrap()
}

fn said<T: std::fmt::Debug>(result: Result<T, Failure>) -> (String, Evidence) {
    let failure = result.unwrap_err();
    (failure.problem.code.into_owned(), failure.evidence)
}

fn code(recovery: &Recovery) -> &str {
    match recovery {
        Recovery::Undone => "undone",
        Recovery::Unknown(problem) => &problem.code,
    }
}

#[test]
fn batches_are_appended_as_compact_lines() {
    let desk = Desk::new();
    let target = target(&desk, "out/deep/a.jsonl");
    assert_eq!(target.effect(), Effect::Create);
    assert!(target.batch_limit() > 1);
    deliver(&desk, &target, &[json!({"b": "é\n", "a": [1, null]}), json!("x")]).unwrap();
    deliver(&desk, &target, &[]).unwrap();
    deliver(&desk, &target, &[json!(2.5)]).unwrap();
    let expected = "{\"b\":\"é\\n\",\"a\":[1,null]}\n\"x\"\n2.5\n";
    assert_eq!(read(&desk, "out/deep/a.jsonl"), expected.as_bytes());
}

#[test]
fn a_mark_makes_the_file_and_changes_nothing_in_one_that_is_there() {
    let desk = Desk::new();
    let target = target(&desk, "new/a.jsonl");
    let mark = desk.run(target.mark()).unwrap();
    assert_eq!(read(&desk, "new/a.jsonl"), b"");
    assert_eq!(desk.run(target.mark()).unwrap(), mark);
    desk.write("new/a.jsonl", "1\n");
    assert_ne!(desk.run(target.mark()).unwrap(), mark);
    assert_eq!(read(&desk, "new/a.jsonl"), b"1\n");
}

#[test]
fn what_cannot_be_appended_to_is_refused() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("folder")).unwrap();
    std::os::unix::fs::symlink("/dev/null", desk.path("device")).unwrap();
    desk.write("torn", "1\n{\"a\":");
    desk.write("plain", "1\n");
    let cases = [
        ("folder", "file_not_regular", Evidence::Rejected),
        ("device", "file_not_regular", Evidence::Rejected),
        ("torn", "file_torn", Evidence::NotSent),
        ("plain/a", "file_missing", Evidence::NotSent),
    ];
    for (name, code, evidence) in cases {
        assert_eq!(said(desk.run(target(&desk, name).mark())), (code.to_owned(), evidence), "{name}");
    }
    assert_eq!(read(&desk, "torn"), b"1\n{\"a\":");
}

#[test]
fn nothing_is_delivered_behind_another_length_than_the_marks() {
    let desk = Desk::new();
    let target = target(&desk, "a.jsonl");
    desk.write("a.jsonl", "1\n");
    let mark = desk.run(target.mark()).unwrap();
    for content in ["1\n2\n", ""] {
        desk.write("a.jsonl", content);
        let came = desk.run(target.deliver(&mark, &[json!(3)]));
        assert_eq!(said(came), ("file_changed".to_owned(), Evidence::NotSent), "{content:?}");
        assert_eq!(read(&desk, "a.jsonl"), content.as_bytes());
    }
    std::fs::remove_file(desk.path("a.jsonl")).unwrap();
    assert_eq!(said(desk.run(target.deliver(&mark, &[]))), ("file_missing".to_owned(), Evidence::NotSent));
    assert_eq!(said(desk.run(target.deliver(&json!({}), &[]))), ("mark_wrong".to_owned(), Evidence::NotSent));
}

#[test]
fn what_is_not_a_beginning_of_the_batch_stays_and_is_unknown() {
    let desk = Desk::new();
    let target = target(&desk, "a.jsonl");
    let batch = [json!({"n": 1}), json!({"n": 2})];
    desk.write("a.jsonl", "{\"n\":0}\n");
    let mark = desk.run(target.mark()).unwrap();
    let cases = [
        ("{\"n\":0}\n", "undone"),
        ("{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n", "undone"),
        ("{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n", "file_changed"),
        ("{\"n\":0}\n{\"n\":2}\n", "file_changed"),
        ("{\"n\":0}\n{\"n\":1} ", "file_changed"),
        ("{\"n\":0}", "file_changed"),
        ("", "file_changed"),
        ("{\"n\":9}\n", "file_changed"),
        ("{\"n\":9}\n{\"n\":1}\n", "file_changed"),
    ];
    for (content, expected) in cases {
        desk.write("a.jsonl", content);
        let recovery = desk.run(target.recover(&mark, &batch));
        assert_eq!(code(&recovery), expected, "{content:?}");
        let left = if expected == "undone" { "{\"n\":0}\n" } else { content };
        assert_eq!(read(&desk, "a.jsonl"), left.as_bytes(), "{content:?}");
    }
    std::fs::remove_file(desk.path("a.jsonl")).unwrap();
    assert_eq!(code(&desk.run(target.recover(&mark, &batch))), "file_missing");
    assert_eq!(code(&desk.run(target.recover(&json!(7), &batch))), "mark_wrong");
}

#[test]
fn one_file_has_one_key_by_whatever_way_it_is_reached() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("real")).unwrap();
    std::os::unix::fs::symlink(desk.path("real"), desk.path("link")).unwrap();
    let keys =
        || ["real/a.jsonl", "link/a.jsonl", "real/../link/./a.jsonl"].map(|name| target(&desk, name).exclusive_key());
    let [before, ..] = keys();
    assert!(keys().iter().all(|key| *key == before), "{:?}", keys());
    desk.run(target(&desk, "link/a.jsonl").mark()).unwrap();
    assert!(keys().iter().all(|key| *key == before), "{:?}", keys());
    let real = std::fs::canonicalize(desk.path("real/a.jsonl")).unwrap();
    assert_eq!(before, Some(real.display().to_string()));
    assert_ne!(target(&desk, "real/b.jsonl").exclusive_key(), before);
    assert_ne!(target(&desk, "new/real/a.jsonl").exclusive_key(), before);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Wherever a write is cut, the file is taken back to what it was, byte by byte, and the next try gives every line
    /// once.
    #[test]
    fn a_cut_at_any_byte_leaves_no_trace(
        before in vec("[a-z\"\\\\\n]{0,6}", 0..3), batch in vec("[a-z\"\\\\\n]{0,6}", 1..4),
    ) {
        let desk = Desk::new();
        let target = target(&desk, "a.jsonl");
        let [before, batch] = [before, batch].map(|texts| texts.into_iter().map(Value::from).collect::<Vec<_>>());
        deliver(&desk, &target, &before).unwrap();
        let original = read(&desk, "a.jsonl");
        let mark = desk.run(target.mark()).unwrap();
        desk.run(target.deliver(&mark, &batch)).unwrap();
        let whole = read(&desk, "a.jsonl");

        for cut in original.len()..=whole.len() {
            desk.write("a.jsonl", &whole[..cut]);
            prop_assert_eq!(desk.run(target.recover(&mark, &batch)), Recovery::Undone);
            prop_assert_eq!(read(&desk, "a.jsonl"), &original[..]);
            // A crash in the recovery itself: it can be done again.
            prop_assert_eq!(desk.run(target.recover(&mark, &batch)), Recovery::Undone);
        }
        deliver(&desk, &target, &batch).unwrap();
        prop_assert_eq!(read(&desk, "a.jsonl"), &whole[..]);

        for wrong in 0..whole.len() {
            let mut other = whole.clone();
            other[wrong] ^= 1;
            desk.write("a.jsonl", &other);
            let recovery = desk.run(target.recover(&mark, &batch));
            prop_assert_eq!(code(&recovery), "file_changed");
            prop_assert_eq!(read(&desk, "a.jsonl"), other);
        }
        for short in 0..original.len() {
            desk.write("a.jsonl", &whole[..short]);
            let recovery = desk.run(target.recover(&mark, &batch));
            prop_assert_eq!(code(&recovery), "file_changed");
            prop_assert_eq!(read(&desk, "a.jsonl"), &whole[..short]);
        }
    }
}
