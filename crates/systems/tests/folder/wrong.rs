//! Files that cannot be taken in, and the others beside them.

use crate::bench::{Bench, brought};
use model::Evidence;
use serde_json::json;
use std::fs::File;

#[test]
fn a_file_over_the_limit_is_named_and_the_others_go_on() {
    for limit in [1, 2, 100] {
        let mut bench = Bench::with(&["a", "big", "c"]);
        let small = json!({"max_bytes": 2});
        let brought_first = bench.run(&small, limit);
        assert_eq!(brought_first, brought(&["a", "c"], &[("file_too_large", true)]));
        assert_eq!(bench.run(&small, limit), brought(&[], &[("file_too_large", false)]), "an error once");
        bench.write("big", "bigger");
        assert_eq!(bench.run(&small, limit), brought(&[], &[("file_too_large", true)]), "another version");
        assert_eq!(bench.run(&json!({"max_bytes": 6}), limit), brought(&["big"], &[]), "with a larger limit");
    }
    let mut bench = Bench::with(&["big"]);
    let page = bench.page(&json!({"max_bytes": 2}), 10).unwrap();
    let said = page.problems[0].to_string();
    assert!(said.contains("in/big: ") && said.contains("3 bytes") && said.contains("is 2"), "{said}");
}

#[test]
fn what_changes_while_it_is_read_waits_for_the_next_run() {
    type Change = fn(std::path::PathBuf);
    let changes: [(&str, Change, bool); 5] = [
        ("shrinks", |path| File::options().write(true).open(path).unwrap().set_len(5).unwrap(), true),
        ("is emptied", |path| drop(File::create(path).unwrap()), true),
        ("grows", |path| std::fs::write(path, "longer than the file was").unwrap(), true),
        (
            "is replaced",
            |path| {
                std::fs::write(path.with_extension("new"), "same length!").unwrap();
                std::fs::rename(path.with_extension("new"), path).unwrap();
            },
            true,
        ),
        ("vanishes", |path| std::fs::remove_file(path).unwrap(), false),
    ];
    for (what, change, is_there) in changes {
        let mut bench = Bench::new();
        bench.write("a.txt", "twelve bytes");
        bench.write("b.txt", "b");
        let path = bench.path("a.txt");
        bench.meanwhile(move || change(path));
        assert_eq!(bench.run(&json!({}), 1), brought(&["b.txt"], &[("file_changing", false)]), "{what}");
        assert_eq!(
            bench.shelf.kept.lock().unwrap().values().filter(|content| !content.is_empty()).count(),
            1,
            "{what}"
        );
        let next: &[&str] = if is_there { &["a.txt"] } else { &[] };
        assert_eq!(bench.run(&json!({}), 1), brought(next, &[]), "{what}");
        assert_eq!(bench.run(&json!({}), 1), brought(&[], &[]), "{what}");
    }
}

#[test]
fn a_file_that_is_gone_before_its_turn_is_no_error() {
    let mut bench = Bench::with(&["a", "b", "c"]);
    let gone = bench.path("b");
    bench.meanwhile(move || std::fs::remove_file(gone).unwrap());
    assert_eq!(bench.run(&json!({}), 10), brought(&["a", "c"], &[("file_changing", false)]));
}

#[cfg(unix)]
#[test]
fn what_may_not_be_read_is_an_error_until_it_may() {
    use std::os::unix::fs::PermissionsExt;
    let mut bench = Bench::with(&["a", "b", "sub/c", "z"]);
    let allow = |name: &str, mode| {
        std::fs::set_permissions(bench.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    allow("b", 0);
    allow("sub", 0);
    if File::open(bench.path("b")).is_ok() {
        return; // Nothing is forbidden to the user that runs the tests.
    }
    let all = json!({"glob": "**"});
    let denied = |error| [("file_denied", error); 2];
    assert_eq!(bench.run(&all, 1), brought(&["a", "z"], &denied(true)));
    assert_eq!(bench.run(&all, 1), brought(&[], &denied(false)));
    for (name, mode) in [("b", 0o600), ("sub", 0o700)] {
        std::fs::set_permissions(bench.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    assert_eq!(bench.run(&all, 1), brought(&["b", "sub/c"], &[]));
}

#[cfg(target_os = "linux")]
#[test]
fn odd_names() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let odd = [" ", "$blob", "%41", "*", "a\nb", "a\"b", "a\\b", "{x}", "日本", "\u{1F600}"];
    for limit in [1, 100] {
        let mut bench = Bench::with(&odd);
        for name in [b"caf\xE9.pdf".as_slice(), b"\xFF"] {
            std::fs::write(bench.path("").join(OsStr::from_bytes(name)), "x").unwrap();
        }
        let first = bench.run(&json!({}), limit);
        assert_eq!(first, brought(&odd, &[("name_not_utf8", true); 2]));
        assert_eq!(bench.run(&json!({}), limit), brought(&[], &[("name_not_utf8", false); 2]));
        bench.cursor = None;
        let problems = bench.page(&json!({}), 100).unwrap().problems;
        assert!(problems[0].reason.contains(r#""caf\xE9.pdf""#), "{}", problems[0]);
    }
}

#[cfg(unix)]
#[test]
fn sockets_are_passed_over() {
    let mut bench = Bench::with(&["a"]);
    let _socket = std::os::unix::net::UnixListener::bind(bench.path("s")).unwrap();
    assert_eq!(bench.run(&json!({}), 10), brought(&["a"], &[]));
}

#[test]
fn where_nothing_can_be_kept_all_stops_after_what_was_kept() {
    let mut bench = Bench::with(&["a", "b"]);
    bench.fill_disk(true);
    let failure = bench.page(&json!({}), 10).unwrap_err();
    assert_eq!((failure.evidence, failure.problem.code.as_ref()), (Evidence::NotSent, "store_io"));
    bench.fill_disk(false);
    let shelf = bench.shelf.clone();
    assert_eq!(bench.page(&json!({}), 1).unwrap().payloads.len(), 1);
    bench.fill_disk(true);
    assert!(bench.page(&json!({}), 1).is_err());
    bench.fill_disk(false);
    assert_eq!(bench.run(&json!({}), 1), brought(&["b"], &[]));
    assert_eq!(shelf.kept.lock().unwrap().len(), 2);
}
