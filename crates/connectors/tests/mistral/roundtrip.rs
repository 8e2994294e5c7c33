use crate::{entry, request};
use connectors::openapi::build::build;
use connectors::openapi::catalogue::Method;
use proptest::prelude::*;
use serde_json::json;

/// A decoder of its own: percent pairs to bytes, bytes to text.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if let (b'%', [high, low, after @ ..]) = (first, tail) {
            let digit = |byte: &u8| u8::try_from(char::from(*byte).to_digit(16).expect("hex")).unwrap();
            bytes.push(digit(high) * 16 + digit(low));
            rest = after;
            continue;
        }
        bytes.push(*first);
        rest = tail;
    }
    String::from_utf8(bytes).unwrap()
}

fn pairs(target: &str) -> Vec<(String, String)> {
    let Some((_, query)) = target.split_once('?') else { return Vec::new() };
    query.split('&').map(|pair| pair.split_once('=').unwrap()).map(|(k, v)| (decoded(k), decoded(v))).collect()
}

/// Nothing but what RFC 3986 allows in a path and a query, so that nobody on the way has to repair it.
fn is_clean(target: &str) -> bool {
    target.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&byte))
}

proptest! {
    #[test]
    fn path_and_query_decode_to_what_was_given(
        slot in any::<String>().prop_filter("fits a slot", |text| {
            !text.is_empty() && text != "." && text != ".." && !text.contains('/')
        }),
        model in any::<String>(),
        list in prop::collection::vec(any::<String>(), 1..4),
        metadata in prop::collection::hash_map("[a-z]{8,12}|\\PC{0,4}", any::<String>(), 0..4),
    ) {
        let built = build(entry(Method::Get, "/v1/models/{model_id}"), &request(json!({
            "path": {"model_id": slot}, "query": {"any one": list}
        }))).unwrap();
        prop_assert!(is_clean(&built.target), "{}", built.target);
        let (path, _) = built.target.split_once('?').unwrap();
        prop_assert_eq!(decoded(path.strip_prefix("/v1/models/").unwrap()), slot);
        let expected: Vec<_> = list.iter().map(|text| ("any one".to_owned(), text.clone())).collect();
        prop_assert_eq!(pairs(&built.target), expected);

        let jobs = build(entry(Method::Get, "/v1/batch/jobs"), &request(json!({
            "query": {"model": model, "metadata": metadata}
        }))).unwrap();
        prop_assert!(is_clean(&jobs.target), "{}", jobs.target);
        let mut found = pairs(&jobs.target);
        prop_assert_eq!(found.remove(0), ("model".to_owned(), model));
        prop_assert_eq!(found.into_iter().collect::<std::collections::HashMap<_, _>>(), metadata);
    }
}
