//! What can be written, what it means, and what is said of the rest.

use super::{Is, Names, Times, Wanted, parse, resolve};
use crate::story::Lanes;
use model::{Millis, Money, TaskKind, TaskState};
use proptest::prelude::*;
use store::{Compare, Condition, Lane, LaneId, StoredDefinition, Test};

const NOW: Millis = 1_796_000_000_000;

fn is(text: &str) -> Vec<(bool, Is)> {
    let filter = parse(text).unwrap_or_else(|problem| panic!("{text}: {problem}"));
    filter.words.into_iter().map(|word| (word.is_not, word.is)).collect()
}

fn path(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn every_word_is_read() {
    use Compare::{AtLeast, AtMost, Equal, Less, More};
    let text = |text: &str| Is::Text(text.to_owned());
    let day = Times { from: 1_793_491_200_000, before: 1_793_577_600_000 };
    let cases: Vec<(&str, Vec<Is>)> = vec![
        ("", vec![]),
        ("   ", vec![]),
        ("status:failed", vec![Is::Status(TaskState::Failed)]),
        ("status:failed,unknown", vec![Is::Status(TaskState::Failed), Is::Status(TaskState::Unknown)]),
        ("status:=failed", vec![Is::Status(TaskState::Failed)]),
        ("kind:pull", vec![Is::Kind(TaskKind::Pull)]),
        ("route:\"Invoices OCR\"", vec![Is::Route("Invoices OCR".to_owned())]),
        ("route:\"a \\\" b\\\\c\"", vec![Is::Route("a \" b\\c".to_owned())]),
        ("route:a,\"b, c\"", vec![Is::Route("a".to_owned()), Is::Route("b, c".to_owned())]),
        ("incoming:orders", vec![Is::Incoming("orders".to_owned())]),
        ("operation:ocr", vec![Is::Operation("ocr".to_owned())]),
        ("client:mistral", vec![Is::Client("mistral".to_owned())]),
        ("run:7", vec![Is::Run(7)]),
        ("id:4711", vec![Is::Id(4711)]),
        ("source:12", vec![Is::Source(12)]),
        ("identifier:A-17", vec![Is::Identifier("A-17".to_owned())]),
        ("code:rate_limited", vec![Is::Code("rate_limited".to_owned())]),
        ("code:429", vec![Is::HttpStatus(429)]),
        ("model:mistral-large-latest", vec![Is::Model("mistral-large-latest".to_owned())]),
        ("cost:>0.01", vec![Is::Cost(More, Money(10_000_000))]),
        ("duration:>=5s", vec![Is::Duration(AtLeast, 5_000)]),
        ("duration:<250ms", vec![Is::Duration(Less, 250)]),
        ("attempts:>3", vec![Is::Attempts(More, 3)]),
        ("attempts:3", vec![Is::Attempts(Equal, 3)]),
        ("created:>2026-11-01", vec![Is::Created(More, day)]),
        ("created:2026-11-01", vec![Is::Created(Equal, day)]),
        (
            "finished:<=2026-11-01T00:00:00Z",
            vec![Is::Finished(AtMost, Times { from: 1_793_491_200_000, before: 1_793_491_200_001 })],
        ),
        ("age:<1d", vec![Is::Age(Less, 86_400_000)]),
        ("data.order.id:1234", vec![Is::Data(path(&["order", "id"]), "1234".to_owned())]),
        ("data.items.0.name:\"\"", vec![Is::Data(path(&["items", "0", "name"]), String::new())]),
        ("free text", vec![text("free"), text("text")]),
        ("\"free text\"", vec![text("free text")]),
        ("\"http://a\"", vec![text("http://a")]),
        ("text:word", vec![text("word")]),
        ("müßig", vec![text("müßig")]),
    ];
    for (written, expected) in cases {
        let expected: Vec<(bool, Is)> = expected.into_iter().map(|is| (false, is)).collect();
        assert_eq!(is(written), expected, "{written}");
    }
    assert_eq!(is("-status:finished -word"), [(true, Is::Status(TaskState::Finished)), (true, text("word"))]);
}

#[test]
fn what_cannot_be_read_is_said_with_its_place() {
    let cases = [
        ("statsu:failed", "filter[1]", "there is no key \"statsu\"", "did you mean status:?"),
        ("  x:1", "filter[3]", "there is no key \"x\"", "keys are"),
        ("http://a", "filter[1]", "there is no key \"http\"", "between quotation marks"),
        ("status:faild", "filter[8]", "there is no status \"faild\"", "did you mean failed?"),
        ("status:failed,faild", "filter[15]", "there is no status \"faild\"", "did you mean failed?"),
        ("status:>failed", "filter[9]", "status is not compared", ""),
        ("status:", "filter[8]", "status has no value", "where it stands"),
        ("status:failed,", "filter[15]", "status has no value", ""),
        ("route:\"a", "filter[7]", "a quotation mark is not closed", ""),
        ("route:\"a\\b\"", "filter[9]", "a backslash stands before nothing", ""),
        ("- a", "filter[1]", "there is nothing to look for", ""),
        ("run:x", "filter[5]", "\"x\" is no number", ""),
        ("run:-1", "filter[5]", "\"-1\" is no number", ""),
        ("run:99999999999999999999", "filter[5]", "is no number", ""),
        ("cost:0.01", "filter[6]", "cost is compared", "cost:>0.01"),
        ("cost:>much", "filter[7]", "\"much\" is no amount", ""),
        ("cost:>-1", "filter[7]", "\"-1\" is no amount", ""),
        ("cost:>NaN", "filter[7]", "\"NaN\" is no amount", ""),
        ("duration:>5", "filter[11]", "\"5\" is no length of time", ""),
        ("code:A-B", "filter[6]", "a code has small letters", ""),
        ("code:7", "filter[6]", "a code has small letters", ""),
        ("created:>yesterday", "filter[10]", "\"yesterday\" is no time", ""),
        ("created:2026-13-01", "filter[9]", "is no time", ""),
        ("kind:both", "filter[6]", "kinds are pull and push", ""),
        ("data:1", "filter[1]", "data has no path", ""),
        ("data.:1", "filter[1]", "data has no path", ""),
        ("data.a..b:1", "filter[1]", "data has no path", ""),
    ];
    for (written, place, reason, hint) in cases {
        let problem = parse(written).expect_err(written);
        assert_eq!((problem.code.as_ref(), problem.place.as_str()), ("filter_wrong", place), "{written}: {problem}");
        assert!(problem.reason.contains(reason), "{written}: {problem}");
        assert!(problem.hint.unwrap_or_default().contains(hint), "{written}");
    }
    assert!(parse(&"a ".repeat(100)).is_err() && parse(&"a".repeat(2_001)).is_err(), "long filters are refused");
}

fn names() -> Names {
    let lane = |id, kind, name: &str| (LaneId(id), Lane { id: LaneId(id), kind, name: name.to_owned() });
    let lanes: Lanes = [
        lane(1, TaskKind::Pull, "orders"),
        lane(2, TaskKind::Push, "describe"),
        lane(3, TaskKind::Push, "read"),
        lane(4, TaskKind::Push, "gone"),
    ]
    .into_iter()
    .collect();
    let definition = |kind: &str, name: &str, body: &str| StoredDefinition {
        kind: kind.to_owned(),
        name: name.to_owned(),
        body: body.to_owned(),
        revision: 1,
    };
    let definitions = vec![
        definition("routes", "describe", r#"{"incoming": "orders", "outgoing": "chat"}"#),
        definition("routes", "read", r#"{"incoming": "orders", "outgoing": "ocr"}"#),
        definition("routes", "idle", r#"{"incoming": "orders", "outgoing": "ocr"}"#),
        definition("outgoing", "chat", r#"{"publisher": {"entity": "Chat Completion", "http_client": "mistral"}}"#),
        definition("outgoing", "ocr", r#"{"publisher": {"entity": "OCR", "http_client": "scanner"}}"#),
    ];
    Names::for_tests(lanes, definitions)
}

fn wanted(text: &str) -> Wanted {
    resolve(&parse(text).unwrap(), &names(), [None, None], NOW).unwrap_or_else(|problem| panic!("{text}: {problem}"))
}

#[test]
fn words_of_one_key_are_one_condition() {
    let one = |any: Vec<Test>| Condition { is_not: false, any };
    let lane = |id| Test::Lane(LaneId(id));
    let cases: Vec<(&str, Vec<Condition>)> = vec![
        (
            "status:failed status:unknown",
            vec![one(vec![Test::State(TaskState::Failed), Test::State(TaskState::Unknown)])],
        ),
        ("route:describe,read run:1", vec![one(vec![lane(2), lane(3)]), one(vec![Test::Run(model::RunId(1))])]),
        ("route:gone", vec![one(vec![lane(4)])]),
        ("route:idle", vec![one(vec![])]),
        ("incoming:orders", vec![one(vec![lane(1)])]),
        ("operation:ocr", vec![one(vec![lane(3)])]),
        ("operation:chat", vec![one(vec![lane(2)])]),
        ("client:scan", vec![one(vec![lane(3)])]),
        ("kind:push", vec![one(vec![lane(2), lane(3), lane(4)])]),
        ("code:429,rate_limited", vec![one(vec![Test::Status(429), Test::Code("rate_limited".to_owned())])]),
        (
            "attempts:>1 attempts:<9",
            vec![one(vec![Test::Attempts(Compare::More, 1)]), one(vec![Test::Attempts(Compare::Less, 9)])],
        ),
        (
            "-status:finished,skipped",
            vec![Condition {
                is_not: true,
                any: vec![Test::State(TaskState::Finished), Test::State(TaskState::Skipped)],
            }],
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(wanted(text).search.all, expected, "{text}");
    }
}

#[test]
fn times_become_a_span() {
    const DAY: Millis = 1_793_491_200_000;
    let cases = [
        ("created:2026-11-01", Some(DAY), Some(DAY + 86_400_000)),
        ("created:>2026-11-01", Some(DAY + 86_400_000), None),
        ("created:>=2026-11-01", Some(DAY), None),
        ("created:<2026-11-01", None, Some(DAY)),
        ("created:<=2026-11-01", None, Some(DAY + 86_400_000)),
        ("created:>=2026-11-01 created:<2026-11-02 age:<90d", Some(DAY), Some(DAY + 86_400_000)),
        ("age:<1h", Some(NOW - 3_600_000 + 1), None),
        ("age:>=1h", None, Some(NOW - 3_600_000 + 1)),
        ("-created:>2026-11-01", None, None),
    ];
    for (text, since, until) in cases {
        let search = wanted(text).search;
        assert_eq!((search.since, search.until), (since, until), "{text}");
    }
}

#[test]
fn names_are_known_or_suggested_and_data_needs_a_time() {
    let cases = [
        ("route:descrbe", "filter_wrong", "filter[1]", "did you mean \"describe\"?"),
        ("incoming:describe", "filter_wrong", "filter[1]", "known are: orders"),
        ("a operation:embeddings", "filter_wrong", "filter[3]", "known are"),
        ("operation:embeddings", "filter_wrong", "filter[1]", "known are"),
        ("data.a:1", "filter_needs_time", "filter[1]", "since"),
    ];
    for (text, code, place, hint) in cases {
        let filter = parse(text).unwrap();
        let problem = match resolve(&filter, &names(), [None, None], NOW) {
            Err(problem) => problem,
            Ok(wanted) => panic!("{text}: {wanted:?}"),
        };
        assert_eq!((problem.code.as_ref(), problem.place.as_str()), (code, place), "{text}: {problem}");
        assert!(problem.hint.clone().unwrap_or_default().contains(hint), "{text}: {problem:?}");
    }
    let with_time = resolve(&parse("data.a:1 word").unwrap(), &names(), [Some(1), None], NOW).unwrap();
    assert!(with_time.looks_into_data && with_time.search.all.len() == 2);
    assert!(wanted("data.a:1 age:<1d").looks_into_data && !wanted("status:failed").looks_into_data);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever is written is read or refused with a place inside it, and nothing breaks.
    #[test]
    fn any_text_is_read_or_refused(text in "(-?(status|route|data\\.a|cost|created|x|text)?[:\",><= \\\\a-z0-9.äß-]{0,12} ?){0,6}") {
        match parse(&text) {
            Ok(filter) => {
                let _ = resolve(&filter, &names(), [Some(0), None], NOW);
                prop_assert!(filter.words.iter().all(|word| word.at >= 1 && word.at <= text.chars().count()));
            }
            Err(problem) => {
                let place: usize = problem.place.trim_start_matches("filter[").trim_end_matches(']').parse().unwrap();
                prop_assert!(place >= 1 && place <= text.chars().count() + 1, "{problem}");
            }
        }
    }

    /// A quoted value comes back as it was.
    #[test]
    fn quoted_values_are_kept(value in "\\PC{0,40}") {
        let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
        prop_assert_eq!(is(&format!("route:\"{quoted}\"")), [(false, Is::Route(value))]);
    }
}
