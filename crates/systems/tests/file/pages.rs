//! Whatever is in a file and however it is cut into pages, the rows are those of one pass.

use crate::desk::Desk;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i16>().prop_map(|number| Value::from(f64::from(number) / 8.0)),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((text(), inner), 0..4).prop_map(|members| Value::from(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Texts of what makes trouble.
fn text() -> impl Strategy<Value = String> {
    vec(
        prop::sample::select(vec!["\"", "\\", ",", ";", "\n", "\r\n", "]", "}", "{", " ", "é", "\u{feff}", "a", "0"]),
        0..6,
    )
    .prop_map(|pieces| pieces.concat())
}

fn space() -> impl Strategy<Value = String> {
    vec(prop::sample::select(vec![" ", "\n", "\r\n", "\t"]), 0..3).prop_map(|pieces| pieces.concat())
}

fn limits() -> impl Strategy<Value = Vec<usize>> {
    vec(1_usize..5, 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn jsonl(
        rows in vec((value(), prop::sample::select(vec!["\n", "\r\n", "\n\n", "\n \r\n"])), 0..12),
        marked in any::<bool>(), limits in limits(), cut in any::<prop::sample::Index>(),
    ) {
        let desk = Desk::new();
        let source = desk.source("a.jsonl", &json!({}));
        let mut content = if marked { "\u{feff}".to_owned() } else { String::new() };
        // Where each row ends, without its line break.
        let mut ends = Vec::new();
        for (row, end) in &rows {
            content += &row.to_string();
            ends.push(content.len());
            content += end;
        }
        let rows: Vec<Value> = rows.into_iter().map(|(row, _)| row).collect();
        desk.write("a.jsonl", &content);
        let whole = desk.drain(&source, &mut None, &limits);
        prop_assert_eq!((&whole.rows, whole.wrong()), (&rows, ("", 0)));

        // Cut anywhere, the file gives the rows that are whole, and at most a bare number in addition.
        let cut = cut.index(content.len() + 1);
        desk.write("a.jsonl", &content.as_bytes()[..cut]);
        let whole = ends.iter().filter(|end| **end <= cut).count();
        let begun = ends.get(whole.wrapping_sub(1)).copied().unwrap_or(if marked { 3 } else { 0 }).min(cut);
        let torn = content.as_bytes()[begun..cut].trim_ascii();
        let mut cursor = None;
        let part = desk.drain(&source, &mut cursor, &limits);
        prop_assert_eq!(&part.rows[..whole.min(part.rows.len())], &rows[..whole]);
        match part.problem() {
            Some(problem) => prop_assert_eq!((problem.code.as_ref(), part.rows.len()), ("line_torn", whole)),
            None => prop_assert!(part.rows.len() == whole || serde_json::from_slice::<f64>(torn).is_ok()),
        }

        // Finished, it gives the rest.
        if part.rows.len() == whole {
            desk.write("a.jsonl", &content);
            prop_assert_eq!(&desk.drain(&source, &mut cursor, &limits).rows, &rows[whole..]);
        }
    }

    #[test]
    fn json(
        rows in vec((value(), space(), space(), any::<bool>()), 0..12),
        around in (space(), space()), limits in limits(), cut in any::<prop::sample::Index>(),
    ) {
        let desk = Desk::new();
        let source = desk.source("a.json", &json!({}));
        let mut content = format!("{}[", around.0);
        for (number, (row, before, after, pretty)) in rows.iter().enumerate() {
            content += if number == 0 { "" } else { "," };
            content += before;
            content += &if *pretty { serde_json::to_string_pretty(row).unwrap() } else { row.to_string() };
            content += after;
        }
        content = format!("{content}]");
        let cut = cut.index(content.len());
        content += &around.1;
        desk.write("a.json", &content);
        let expected: Vec<Value> = serde_json::from_str(&content).unwrap();
        let whole = desk.drain(&source, &mut None, &limits);
        prop_assert_eq!((&whole.rows, whole.wrong()), (&expected, ("", 0)));

        // Cut anywhere before its end, it gives none but whole rows, and says that it was cut.
        desk.write("a.json", &content.as_bytes()[..cut]);
        let mut cursor = None;
        let part = desk.drain(&source, &mut cursor, &limits);
        prop_assert_eq!(part.wrong().0, "json_torn");
        prop_assert_eq!(&part.rows[..], &expected[..part.rows.len()]);
        desk.write("a.json", &content);
        prop_assert_eq!(&desk.drain(&source, &mut cursor, &limits).rows, &expected[part.rows.len()..]);
    }

    #[test]
    fn csv(
        (names, rows) in (1_usize..4).prop_flat_map(|width| {
            (Just((0..width).map(|number| format!("n{number}")).collect::<Vec<_>>()),
             vec(vec(text(), width), 0..12))
        }),
        delimiter in prop::sample::select(vec![b',', b';']), crlf in any::<bool>(), limits in limits(),
    ) {
        let desk = Desk::new();
        let end = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mut writer = csv::WriterBuilder::new().delimiter(delimiter).terminator(end).from_writer(Vec::new());
        writer.write_record(&names).unwrap();
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        desk.write("a.csv", writer.into_inner().unwrap());

        let mut oracle = csv::ReaderBuilder::new().delimiter(delimiter).from_path(desk.path("a.csv")).unwrap();
        let expected: Vec<Value> = oracle
            .records()
            .map(|record| {
                names.iter().cloned().zip(record.unwrap().iter().map(Value::from)).collect::<Map<_, _>>().into()
            })
            .collect();
        prop_assert_eq!(expected.len(), rows.len());
        let source = desk.source("a.csv", &json!({"csv": {"delimiter": char::from(delimiter).to_string()}}));
        let got = desk.drain(&source, &mut None, &limits);
        prop_assert_eq!((&got.rows, got.wrong()), (&expected, ("", 0)));
    }

    /// Nothing in a file brings anything but rows and problems, and every page size brings the same.
    #[test]
    fn any_bytes(content in vec(prop::sample::select(b"[]{}\",:1\\ \n\r;x\xFF".to_vec()), 0..40), limits in limits()) {
        let desk = Desk::new();
        for name in ["a.jsonl", "a.json", "a.csv"] {
            desk.write(name, &content);
            let source = desk.source(name, &json!({}));
            let (by_pages, at_once) =
                (desk.drain(&source, &mut None, &limits), desk.drain(&source, &mut None, &[1000]));
            prop_assert_eq!(&by_pages.rows, &at_once.rows);
            prop_assert_eq!(by_pages.wrong(), at_once.wrong());
        }
    }
}
