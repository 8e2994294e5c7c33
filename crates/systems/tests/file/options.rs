//! What may stand beside `type: file`.

use model::Component;
use model::driver::{SourceDriver, TargetDriver};
use model::schema::Checker;
use serde_json::{Value, json};
use systems::file::{FilePublisher, FileSubscriber};

fn found(part: &dyn Component, options: &Value) -> Vec<(String, String)> {
    part.validate(options).into_iter().map(|problem| (problem.code.into_owned(), problem.place)).collect()
}

#[test]
fn good_options_fit_schema_and_check() {
    let read = [
        json!({"path": "a.jsonl"}),
        json!({"path": "A.NDJSON"}),
        json!({"path": "a.json", "max_line_bytes": 1}),
        json!({"path": "a.tsv"}),
        json!({"path": "in/${NAME}.txt", "format": "jsonl"}),
        json!({"path": "a.csv", "csv": {"delimiter": ";", "quote": "'", "header": true, "null": ""}}),
        json!({"path": "a.csv", "csv": {"header": ["sku", "name"]}}),
    ];
    let written = [json!({"path": "out/a.jsonl"}), json!({"path": "a.log", "format": "jsonl"})];
    let cases = read.iter().map(|options| (&FileSubscriber as &dyn Component, options));
    for (part, options) in cases.chain(written.iter().map(|options| (&FilePublisher as &dyn Component, options))) {
        assert_eq!(found(part, options), [], "{options}");
        let checker = Checker::compile(&part.schema()).unwrap();
        assert!(checker.fits(options), "{options}: {:?}", checker.problems(options));
    }
    for options in read {
        assert!(FileSubscriber.source(&options).is_ok(), "{options}");
    }
    for options in written {
        assert!(FilePublisher.target(&options).is_ok(), "{options}");
    }
}

#[test]
fn wrong_options_are_named_with_their_place() {
    let cases = [
        (json!({"path": ""}), vec![("file_path", "path"), ("file_format", "format")]),
        (json!({"path": "a\0.jsonl"}), vec![("file_path", "path")]),
        (json!({"path": "in/", "format": "csv"}), vec![("file_path", "path")]),
        (json!({"path": "in/..", "format": "csv"}), vec![("file_path", "path")]),
        (json!({"path": "a.txt"}), vec![("file_format", "format")]),
        (json!({"path": "a.jsonl", "max_line_bytes": 0}), vec![("file_limit", "max_line_bytes")]),
        (json!({"path": "a.jsonl", "max_line_bytes": 2_147_483_648_u32}), vec![("file_limit", "max_line_bytes")]),
        (json!({"path": "a.jsonl", "csv": {}}), vec![("file_format", "csv")]),
        (json!({"path": "a.csv", "csv": {"delimiter": ""}}), vec![("csv_option", "csv.delimiter")]),
        (json!({"path": "a.csv", "csv": {"delimiter": "→"}}), vec![("csv_option", "csv.delimiter")]),
        (json!({"path": "a.csv", "csv": {"delimiter": "\n"}}), vec![("csv_option", "csv.delimiter")]),
        (json!({"path": "a.csv", "csv": {"quote": ","}}), vec![("csv_option", "csv.quote")]),
        (json!({"path": "a.csv", "csv": {"header": false}}), vec![("csv_header", "csv.header")]),
        (json!({"path": "a.csv", "csv": {"header": []}}), vec![("csv_header", "csv.header")]),
        (json!({"path": "a.csv", "csv": {"header": ["a", "b", "a"]}}), vec![("csv_header", "csv.header")]),
        (json!({"path": "a.jsonl", "pth": 1}), vec![("file_options", "")]),
        (json!({}), vec![("file_options", "")]),
    ];
    for (options, expected) in cases {
        let expected: Vec<_> = expected.iter().map(|(code, place)| (code.to_string(), place.to_string())).collect();
        assert_eq!(found(&FileSubscriber, &options), expected, "{options}");
        assert!(FileSubscriber.source(&options).is_err(), "{options}");
    }
    for (options, expected) in [
        (json!({"path": ""}), vec![("file_path", "path"), ("file_format", "format")]),
        (json!({"path": "a.json"}), vec![("file_format", "format")]),
        (json!({"path": "out/", "format": "jsonl"}), vec![("file_path", "path")]),
        (json!({"path": "a.jsonl", "format": "csv"}), vec![("file_options", "")]),
    ] {
        let expected: Vec<_> = expected.iter().map(|(code, place)| (code.to_string(), place.to_string())).collect();
        assert_eq!(found(&FilePublisher, &options), expected, "{options}");
        assert!(FilePublisher.target(&options).is_err(), "{options}");
    }
}

#[test]
fn the_path_is_named_as_one() {
    for part in [&FileSubscriber as &dyn Component, &FilePublisher] {
        assert_eq!(part.path_options(), ["path"]);
        assert!(part.schema()["properties"]["path"].is_object());
    }
}
