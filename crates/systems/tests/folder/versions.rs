//! What counts as new, across runs.

use crate::bench::{Bench, brought};
use serde_json::{Value, json};

#[test]
fn each_version_is_taken_once() {
    let mut bench = Bench::with(&["a", "b", "c"]);
    let all = json!({});
    for name in ["a", "b", "c"] {
        bench.touch(name, 1_000);
    }
    let nothing = brought(&[], &[]);
    assert_eq!(bench.run(&all, 2), brought(&["a", "b", "c"], &[]));
    bench.touch("b", 1_000);
    assert_eq!(bench.run(&all, 2), nothing, "the same time");
    bench.touch("b", 1_001);
    assert_eq!(bench.run(&all, 2), brought(&["b"], &[]), "another time");
    bench.write("c", "longer");
    bench.touch("c", 1_000);
    assert_eq!(bench.run(&all, 2), brought(&["c"], &[]), "another size");
    bench.write("0-old", "copied in with its old date");
    bench.touch("0-old", 1);
    assert_eq!(bench.run(&all, 2), brought(&["0-old"], &[]));
    std::fs::rename(bench.path("a"), bench.path("d")).unwrap();
    assert_eq!(bench.run(&all, 2), brought(&["d"], &[]), "another name");
    std::fs::rename(bench.path("d"), bench.path("a")).unwrap();
    assert_eq!(bench.run(&all, 2), nothing, "the version of before is back");
}

#[test]
fn a_folder_that_was_away_is_not_taken_again() {
    let mut bench = Bench::with(&["a", "b"]);
    assert_eq!(bench.run(&json!({}), 10).names.len(), 2);
    std::fs::rename(bench.outside("in"), bench.outside("away")).unwrap();
    assert_eq!(bench.page(&json!({}), 10).unwrap_err().problem.code, "folder_missing");
    std::fs::create_dir(bench.outside("in")).unwrap();
    assert_eq!(bench.run(&json!({}), 10), brought(&[], &[]));
    std::fs::remove_dir(bench.outside("in")).unwrap();
    std::fs::rename(bench.outside("away"), bench.outside("in")).unwrap();
    assert_eq!(bench.run(&json!({}), 10), brought(&[], &[]));
}

#[test]
fn a_run_that_stopped_goes_on_behind_its_last_file_and_the_next_begins_anew() {
    let mut bench = Bench::with(&["b", "c", "d"]);
    let names = |bench: &mut Bench, limit| {
        let page = bench.page(&json!({}), limit).unwrap();
        let name = |payload: &Value| payload["name"].as_str().unwrap().to_owned();
        (page.payloads.iter().map(name).collect::<Vec<_>>(), page.more)
    };
    assert_eq!(names(&mut bench, 2), (vec!["b".to_owned(), "c".to_owned()], true));
    bench.write("a", "");
    assert_eq!(names(&mut bench, 1), (vec!["d".to_owned()], false), "no page that brings nothing");
    assert_eq!(names(&mut bench, 2), (vec!["a".to_owned()], false));
}

#[test]
fn a_file_that_changes_all_the_time_does_not_keep_a_run_from_ending() {
    let mut bench = Bench::with(&["a", "b", "c"]);
    for round in 1..4 {
        let mut taken = Vec::new();
        loop {
            let page = bench.page(&json!({}), 1).unwrap();
            taken.extend(page.payloads);
            bench.write("a", "x".repeat(10 * round + taken.len()));
            if !page.more {
                break;
            }
        }
        assert_eq!(taken.len(), if round == 1 { 3 } else { 1 });
    }
}

#[test]
fn a_changed_glob_brings_only_what_is_new() {
    let mut bench = Bench::with(&["a.pdf", "b.txt", "s/c.pdf"]);
    assert_eq!(bench.run(&json!({"glob": "*.pdf"}), 9), brought(&["a.pdf"], &[]));
    assert_eq!(bench.run(&json!({"glob": "**"}), 9), brought(&["b.txt", "s/c.pdf"], &[]));
}

#[test]
fn a_cursor_of_something_else_is_refused() {
    for cursor in [
        json!(1),
        json!({"offset": 5}),
        json!({"seen": "!"}),
        json!({"seen": "AAAA"}),
        json!({"seen": "", "after": "!"}),
    ] {
        let mut bench = Bench::with(&["a"]);
        bench.cursor = Some(cursor);
        assert_eq!(bench.page(&json!({}), 10).unwrap_err().problem.code, "cursor_wrong");
    }
}
