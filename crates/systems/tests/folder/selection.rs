//! Which files are taken, in which order, and what a payload says.

use crate::bench::{Bench, brought};
use model::Evidence;
use serde_json::{Value, json};

#[test]
fn globs_and_names_that_are_left_out() {
    let all = [
        ".git/x.pdf",
        ".hidden.pdf",
        "B.pdf",
        "a b.PDF",
        "a.pdf",
        "a.pdf.part",
        "a.tmp",
        "a.txt",
        "a/b/c.pdf",
        "a/x.pdf",
        "a~",
        "b/x.pdf",
        "é.pdf",
        "~$a.pdf",
    ];
    let cases: [(Value, &[&str]); 9] = [
        (json!({}), &["B.pdf", "a b.PDF", "a.pdf", "a.txt", "é.pdf"]),
        (json!({"glob": "*.pdf"}), &["B.pdf", "a.pdf", "é.pdf"]),
        (json!({"glob": "*.{pdf,PDF}"}), &["B.pdf", "a b.PDF", "a.pdf", "é.pdf"]),
        (json!({"glob": "?.pdf"}), &["B.pdf", "a.pdf"]),
        (json!({"glob": "*/*.pdf"}), &["a/x.pdf", "b/x.pdf"]),
        (json!({"glob": "**/*.pdf"}), &["B.pdf", "a/b/c.pdf", "a/x.pdf", "a.pdf", "b/x.pdf", "é.pdf"]),
        (json!({"glob": "a/**"}), &["a/b/c.pdf", "a/x.pdf"]),
        (
            json!({"glob": "**/*.pdf", "exclude": ["a*"]}),
            &[".git/x.pdf", ".hidden.pdf", "B.pdf", "b/x.pdf", "é.pdf", "~$a.pdf"],
        ),
        (
            json!({"glob": "[.a]*", "exclude": []}),
            &[".hidden.pdf", "a b.PDF", "a.pdf", "a.pdf.part", "a.tmp", "a.txt", "a~"],
        ),
    ];
    for (options, expected) in cases {
        for limit in [1, 2, 1000] {
            let mut bench = Bench::with(&all);
            let got = bench.run(&options, limit).names;
            let sorted = |mut names: Vec<String>| {
                names.sort_by(|one, other| one.split('/').cmp(other.split('/')));
                names
            };
            assert_eq!(got, sorted(got.clone()), "{options}");
            let expected = sorted(expected.iter().map(ToString::to_string).collect());
            assert_eq!(got, expected, "{options} by {limit}");
            assert_eq!(bench.run(&options, limit), brought(&[], &[]), "{options} again");
        }
    }
}

#[test]
fn a_payload_is_what_a_form_takes() {
    let mut bench = Bench::with(&["sub/Ä 1.pdf"]);
    bench.touch("sub/Ä 1.pdf", 1_700_000_000);
    let page = bench.page(&json!({"glob": "**"}), 10).unwrap();
    let expected = json!({
        "name": "sub/Ä 1.pdf",
        "size": 12,
        "modified": "2023-11-14T22:13:20Z",
        "media_type": "application/pdf",
        "sha256": "5a".repeat(32),
        "$blob": "0".repeat(32),
    });
    assert_eq!(page.payloads, [expected]);
    assert_eq!(bench.shelf.kept.lock().unwrap()[&"0".repeat(32)], "sub/Ä 1.pdf".as_bytes());
}

#[test]
fn empty_missing_and_wrong_folders() {
    let mut bench = Bench::new();
    assert_eq!(bench.run(&json!({}), 10), brought(&[], &[]));
    bench.write("a", "");
    let missing = json!({"path": bench.path("b")});
    let failure = bench.page(&missing, 10).unwrap_err();
    assert_eq!((failure.evidence, failure.problem.code.as_ref()), (Evidence::NotSent, "folder_missing"));
    let a_file = json!({"path": bench.path("a")});
    let failure = bench.page(&a_file, 10).unwrap_err();
    assert_eq!((failure.evidence, failure.problem.code.as_ref()), (Evidence::Rejected, "folder_wrong"));
    assert_eq!(bench.run(&json!({}), 10), brought(&["a"], &[]), "an empty file is a file");
}

#[test]
fn five_thousand_files_with_a_restart_between_all_pages() {
    let mut bench = Bench::new();
    let mut names: Vec<String> = (0..5_000).map(|number| format!("{:02}/{number}.txt", number % 50)).collect();
    for name in &names {
        bench.write(name, name);
    }
    names.sort_by(|one, other| one.split('/').cmp(other.split('/')));
    let options = json!({"glob": "**"});
    assert_eq!(bench.run(&options, 137).names, names);
    assert!(bench.cursor.as_ref().unwrap().to_string().len() < 60_000);
    assert_eq!(bench.run(&options, 137), brought(&[], &[]));
    bench.write("00/0.txt", "longer than before");
    bench.write("49/new.txt", "");
    assert_eq!(bench.run(&options, 1), brought(&["00/0.txt", "49/new.txt"], &[]));
}

#[cfg(unix)]
#[test]
fn links() {
    use std::os::unix::fs::symlink;
    let mut bench = Bench::with(&["a", "sub/b"]);
    std::fs::write(bench.outside("secret"), "x").unwrap();
    symlink(bench.outside("secret"), bench.path("m-out")).unwrap();
    symlink("../in/sub/b", bench.path("n-in")).unwrap();
    symlink("nowhere", bench.path("o-dangling")).unwrap();
    symlink(".", bench.path("sub/p-circle")).unwrap();
    symlink("/", bench.path("q-root")).unwrap();
    let warnings = [("link_not_followed", false); 3];
    for limit in [1, 100] {
        bench.cursor = None;
        assert_eq!(bench.run(&json!({"glob": "**"}), limit), brought(&["a", "n-in", "sub/b"], &warnings));
        assert_eq!(bench.run(&json!({"glob": "**"}), limit), brought(&[], &warnings), "a warning each time");
    }
    let content = bench.shelf.kept.lock().unwrap();
    assert!(content.values().all(|content| content != b"x"));
}
