//! The subscriber `file`, format by format.

use crate::desk::Desk;
use model::Evidence;
use serde_json::{Value, json};

/// File name, content, rows before the end or the problem, and the problem's code and line ("" and 0: none).
type Case<'a> = (&'a str, &'a [u8], Value, (&'a str, u64));

fn check(options: &Value, cases: &[Case<'_>]) {
    let desk = Desk::new();
    for (name, content, rows, wrong) in cases {
        desk.write(name, content);
        let source = desk.source(name, options);
        for limit in [1, 2, 1000] {
            let got = desk.drain(&source, &mut None, &[limit]);
            let shown = String::from_utf8_lossy(content);
            assert_eq!(Value::from(got.rows.clone()), *rows, "{shown:?} by {limit}: {:?}", got.problem());
            assert_eq!(got.wrong(), *wrong, "{shown:?} by {limit}: {:?}", got.problem());
            if let Some(problem) = got.problem() {
                assert_eq!(got.evidence(), Some(Evidence::Rejected), "{shown:?}");
                assert!(problem.to_string().contains(&format!("{name}:{}: ", wrong.1)), "{problem}");
            }
        }
    }
}

fn nested(depth: usize) -> Vec<u8> {
    ["[".repeat(depth), "]".repeat(depth)].concat().into_bytes()
}

#[test]
fn jsonl() {
    let deep = [b"1\n".as_slice(), &nested(10_000), b"\n2\n"].concat();
    let deep_and_last = nested(10_000);
    check(
        &json!({}),
        &[
            ("a.jsonl", b"", json!([]), ("", 0)),
            ("a.jsonl", b"\n \r\n\t\n", json!([]), ("", 0)),
            ("a.jsonl", b"{\"a\":1}\n{\"a\":2}\n", json!([{"a": 1}, {"a": 2}]), ("", 0)),
            ("a.jsonl", b"1\r\n\r\n\"x\"\r\nnull\r\n", json!([1, "x", null]), ("", 0)),
            ("a.jsonl", b"\xEF\xBB\xBF{\"a\":\"\xC3\xA9\"}\n", json!([{"a": "é"}]), ("", 0)),
            ("a.jsonl", b"1\n{\"a\":2}", json!([1, {"a": 2}]), ("", 0)),
            ("a.jsonl", b"18446744073709551615\n-1.5e3\n", json!([18446744073709551615u64, -1500.0]), ("", 0)),
            // What is wrong, after the rows before it.
            ("a.jsonl", b"1\n\n{\"a\":}\n4\n", json!([1]), ("row_not_json", 3)),
            ("a.jsonl", b"1\n2 3\n", json!([1]), ("row_not_json", 2)),
            ("a.jsonl", b"1\n\"\xFF\"\n", json!([1]), ("row_not_utf8", 2)),
            ("a.jsonl", b"\xFF\xFE1\x00\n\x00", json!([]), ("row_not_utf8", 1)),
            ("a.jsonl", b"1\n2\n{\"a\": \"hal", json!([1, 2]), ("line_torn", 3)),
            ("a.jsonl", b"{\"a\": \"\xC3", json!([]), ("line_torn", 1)),
            ("a.jsonl", b"1\nNaN\n", json!([1]), ("row_not_json", 2)),
            ("a.jsonl", &deep, json!([1]), ("row_too_deep", 2)),
            ("a.jsonl", &deep_and_last, json!([]), ("row_too_deep", 1)),
        ],
    );
}

#[test]
fn json_list_or_object() {
    let deep = [b"[1,\n".as_slice(), &nested(10_000), b"]"].concat();
    check(
        &json!({}),
        &[
            ("a.json", b"[]", json!([]), ("", 0)),
            ("a.json", b" \n[ \n] \n", json!([]), ("", 0)),
            ("a.json", b"\xEF\xBB\xBF[1]", json!([1]), ("", 0)),
            (
                "a.json",
                b"[1, \"],[\\\"\", [2, {\"a]\": \"}\"}], null,true,-0.5]",
                json!([1, "],[\"", [2, {"a]": "}"}], null, true, -0.5]),
                ("", 0),
            ),
            ("a.json", b"[\n  {\"a\": 1},\n  {\"a\": 2}\n]\n", json!([{"a": 1}, {"a": 2}]), ("", 0)),
            ("a.json", b"{\"a\": [1, 2]}\n", json!([{"a": [1, 2]}]), ("", 0)),
            // What is wrong.
            ("a.json", b"", json!([]), ("json_torn", 1)),
            ("a.json", b"\n\"text\"", json!([]), ("json_not_rows", 2)),
            ("a.json", b"[1,\n2", json!([1]), ("json_torn", 2)),
            ("a.json", b"[1,\n\"a", json!([1]), ("json_torn", 2)),
            ("a.json", b"[1,\n\"a\"", json!([1, "a"]), ("json_torn", 2)),
            ("a.json", b"[1,\n", json!([1]), ("json_torn", 2)),
            ("a.json", b"[", json!([]), ("json_torn", 1)),
            ("a.json", b"{\"a\": [", json!([]), ("json_torn", 1)),
            ("a.json", b"[1]\n[2]", json!([1]), ("json_trailing", 2)),
            ("a.json", b"{\"a\": 1}\n{\"a\": 2}\n", json!([]), ("json_trailing", 2)),
            ("a.json", b"[1\n2]", json!([1]), ("row_not_json", 2)),
            ("a.json", b"[1,\n]", json!([1]), ("row_not_json", 2)),
            ("a.json", b"[,1]", json!([]), ("row_not_json", 1)),
            ("a.json", b"[1,\n{\"a\":\n 1]}]", json!([1]), ("row_not_json", 3)),
            ("a.json", b"[1,\nnul]", json!([1]), ("row_not_json", 2)),
            ("a.json", b"[1,\n\"\xFF\"]", json!([1]), ("row_not_utf8", 2)),
            ("a.json", b"[}]", json!([]), ("row_not_json", 1)),
            ("a.json", &deep, json!([1]), ("row_too_deep", 2)),
        ],
    );
}

#[test]
fn csv() {
    check(
        &json!({}),
        &[
            ("a.csv", b"", json!([]), ("", 0)),
            ("a.csv", b"a,b\n", json!([]), ("", 0)),
            ("a.csv", b"a,b\n1,x\n2,", json!([{"a": "1", "b": "x"}, {"a": "2", "b": ""}]), ("", 0)),
            (
                "a.csv",
                b"\xEF\xBB\xBFa,b\r\n1,\"x, \"\"y\"\"\r\nz\"\r\n",
                json!([{"a": "1", "b": "x, \"y\"\r\nz"}]),
                ("", 0),
            ),
            ("a.csv", b"\n\na\n\n1\n\n\n2\n", json!([{"a": "1"}, {"a": "2"}]), ("", 0)),
            ("a.tsv", b"a\tb\n1\t\"2\t3\"\n", json!([{"a": "1", "b": "2\t3"}]), ("", 0)),
            // What is wrong. A row's line is the one that it begins in.
            ("a.csv", b"a,b\n1,2\n\n1,2,3\n", json!([{"a": "1", "b": "2"}]), ("row_cells", 4)),
            ("a.csv", b"a,b\r\n\"1\r\n\",2\r\n1\r\n", json!([{"a": "1\r\n", "b": "2"}]), ("row_cells", 4)),
            ("a.csv", b"a,a\n1,2\n", json!([]), ("csv_header", 1)),
            ("a.csv", b"a,b\n1,\xFF\n", json!([]), ("row_not_utf8", 2)),
            ("a.csv", b"a,\xFF\n1,2\n", json!([]), ("row_not_utf8", 1)),
            ("a.csv", b"a,b\n1,2\n3,\"4\n5,6\n", json!([{"a": "1", "b": "2"}]), ("csv_torn", 3)),
            ("a.csv", b"a,\"b\n", json!([]), ("csv_torn", 1)),
        ],
    );
    let own = json!({"format": "csv", "csv": {"delimiter": ";", "quote": "'", "header": ["a", "b"], "null": "NULL"}});
    check(
        &own,
        &[
            ("a.txt", b"1;'x;''y'\nNULL;", json!([{"a": "1", "b": "x;'y"}, {"a": null, "b": ""}]), ("", 0)),
            ("a.txt", b"1;2\n\xEF\xBB\xBF3;4\n", json!([{"a": "1", "b": "2"}, {"a": "\u{feff}3", "b": "4"}]), ("", 0)),
            ("a.txt", b"1;2\n1;2;3\n", json!([{"a": "1", "b": "2"}]), ("row_cells", 2)),
        ],
    );
}

#[test]
fn rows_over_the_limit_are_refused() {
    let options = json!({"max_line_bytes": 9});
    check(
        &options,
        &[
            ("a.jsonl", b"\"1234567\"\n\"12345678\"\n1\n", json!(["1234567"]), ("row_too_large", 2)),
            ("a.jsonl", b"\"12345678\"", json!([]), ("row_too_large", 1)),
            ("a.json", b"[\"1234567\",\n\"12345678\",1]", json!(["1234567"]), ("row_too_large", 2)),
            ("a.csv", b"a,b\r\n1234,6789\r\n12345,6789\r\n", json!([{"a": "1234", "b": "6789"}]), ("row_too_large", 3)),
        ],
    );
}

/// A line of 200 MB costs neither its own memory nor the time to read it. The file has holes, so it costs no disk.
#[test]
#[cfg(target_os = "linux")]
fn a_huge_row_is_refused_with_little_memory() {
    let peak = || {
        let status = String::from_utf8(std::fs::read("/proc/self/status").unwrap()).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    let desk = Desk::new();
    for (name, head) in [("a.jsonl", "1\n\""), ("a.json", "[1,\n\""), ("a.csv", "a\n\"")] {
        desk.write(name, head);
        std::fs::File::options().append(true).open(desk.path(name)).unwrap().set_len(200_000_000).unwrap();
        let before = peak();
        let got = desk.drain(&desk.source(name, &json!({})), &mut None, &[10]);
        assert_eq!(got.wrong(), ("row_too_large", 2), "{name}");
        assert!(peak() - before < 80 << 10, "{name}: {} KiB more", peak() - before);
    }
}

#[test]
fn a_page_of_large_rows_ends_early() {
    let desk = Desk::new();
    let row = format!("\"{}\"\n", "x".repeat(1 << 20));
    desk.write("a.jsonl", row.repeat(20));
    let source = desk.source("a.jsonl", &json!({}));
    let page = desk.pull(&source, None, 1000).unwrap();
    assert!((8..=9).contains(&page.payloads.len()), "{}", page.payloads.len());
    assert_eq!(desk.drain(&source, &mut None, &[1000]).rows.len(), 20);
}

#[test]
fn problems_say_where_in_the_row() {
    let desk = Desk::new();
    let cases = [
        ("a.jsonl", "[1, }]\n", "column 5: this is no json: expected value"),
        ("a.json", "[1,\n {\"a\" 1}]", "byte 11: this is no json: expected `:`"),
        ("a.json", "[{\"a\": 1,\n \"b\" 2}]", "byte 16: this is no json: expected `:`"),
        ("a.json", "[1,]", "byte 4: this is no json: expected value"),
        ("a.json", "[1 2]", "byte 4: this is no json: expected `,` or `]`"),
    ];
    for (name, content, reason) in cases {
        desk.write(name, content);
        let got = desk.drain(&desk.source(name, &json!({})), &mut None, &[10]);
        assert_eq!(got.problem().unwrap().reason, reason, "{content}");
    }
}

#[test]
fn a_file_that_grows_is_read_on() {
    let desk = Desk::new();
    let steps = [
        (
            "a.jsonl",
            vec![
                ("1\n2", json!([1, 2]), ""),
                ("1\n2\n3\n4", json!([3, 4]), ""),
                ("1\n2\n3\n45\n", json!([]), "file_changed"),
            ],
        ),
        (
            "a.jsonl",
            vec![
                ("1\n{\"a\"", json!([1]), "line_torn"),
                ("1\n{\"a\": 2}\n", json!([{"a": 2}]), ""),
                ("", json!([]), "file_changed"),
            ],
        ),
        (
            "a.json",
            vec![("[1, 2]", json!([1, 2]), ""), ("[1, 2, 3]\n", json!([3]), ""), ("[1, 3]", json!([]), "file_changed")],
        ),
        (
            "a.csv",
            vec![
                ("a\n1\n2", json!([{"a": "1"}, {"a": "2"}]), ""),
                ("a\n1\n2\r\n3\n", json!([{"a": "3"}]), ""),
                ("b\n1\n2\r\n3\n4\n", json!([]), "file_changed"),
            ],
        ),
        ("a.csv", vec![("a\n1", json!([{"a": "1"}]), ""), ("a\n12\n", json!([]), "file_changed")]),
    ];
    for (name, steps) in steps {
        let source = desk.source(name, &json!({}));
        let mut cursor = None;
        for (content, rows, code) in steps {
            desk.write(name, content);
            let got = desk.drain(&source, &mut cursor, &[10]);
            assert_eq!((Value::from(got.rows.clone()), got.wrong().0), (rows, code), "{content:?}");
        }
    }
}

#[test]
fn a_change_is_noticed_at_the_beginning_and_before_the_cursor() {
    let desk = Desk::new();
    let content: String = (100_000..105_000).map(|number| format!("{number}\n")).collect();
    let source = desk.source("a.jsonl", &json!({}));
    desk.write("a.jsonl", &content);
    let page = desk.pull(&source, None, 3_000).unwrap();
    let offset = page.cursor.as_ref().unwrap()["offset"].as_u64().unwrap() as usize;
    for (at, code) in [(0, "file_changed"), (offset - 2, "file_changed"), (offset + 1, "")] {
        let mut other = content.clone().into_bytes();
        other[at] = if other[at] == b'5' { b'6' } else { b'5' };
        desk.write("a.jsonl", &other);
        assert_eq!(desk.drain(&source, &mut page.cursor.clone(), &[5_000]).wrong().0, code, "byte {at}");
    }
}

#[test]
fn only_regular_files_are_opened() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("folder.jsonl")).unwrap();
    #[allow(clippy::disallowed_methods, reason = "the standard library makes no pipes with a name")]
    let made = std::process::Command::new("mkfifo").arg(desk.path("pipe.jsonl")).status().unwrap();
    assert!(made.success());
    std::os::unix::fs::symlink("/dev/zero", desk.path("device.jsonl")).unwrap();
    std::os::unix::fs::symlink("nowhere", desk.path("link.jsonl")).unwrap();
    desk.write("plain", "");
    let cases = [
        ("folder.jsonl", "file_not_regular", Evidence::Rejected),
        ("pipe.jsonl", "file_not_regular", Evidence::Rejected),
        ("device.jsonl", "file_not_regular", Evidence::Rejected),
        ("missing.jsonl", "file_missing", Evidence::NotSent),
        ("link.jsonl", "file_missing", Evidence::NotSent),
        ("plain/a.jsonl", "file_missing", Evidence::NotSent),
    ];
    for (name, code, evidence) in cases {
        let got = desk.drain(&desk.source(name, &json!({})), &mut None, &[10]);
        assert_eq!((got.wrong().0, got.evidence()), (code, Some(evidence)), "{name}");
        assert!(got.problem().unwrap().file.as_ref().unwrap().ends_with(name));
    }
}

#[test]
fn a_cursor_of_something_else_is_refused() {
    let desk = Desk::new();
    desk.write("a.jsonl", "1\n");
    let source = desk.source("a.jsonl", &json!({}));
    for cursor in [json!(null), json!({}), json!({"offset": -1, "line": 1, "row": 1, "seen": ""}), json!({"page": 2})] {
        assert_eq!(desk.drain(&source, &mut Some(cursor), &[1]).wrong().0, "cursor_wrong");
    }
}
