use crate::{operation, request};
use connectors::mistral::catalogue::catalogue;
use connectors::openapi::catalogue::{Entry, Method, Paging};
use connectors::openapi::paging::{MAX_PAGES, items, next_page};
use serde_json::{Value, json};

fn list(count: usize) -> Vec<Value> {
    (0..count).map(|id| json!({"id": id, "created_at": format!("t{id}")})).collect()
}

/// What the next page asks for: `query` or `payload`, `None` at the end.
fn next(title: &str, given: Value, answer: Value) -> Option<Value> {
    let method = if title.starts_with("Search") { "POST" } else { "GET" };
    let next = operation(method, title).next_page(&request(given), &answer, 0)?;
    Some(next.into_value())
}

#[test]
fn cursors_go_on_until_there_is_none() {
    let page = |next: Value| json!({"data": list(2), "next_page_token": next});
    let cases = [
        (json!({"query": {"name": "x"}}), page(json!("t2")), Some(json!({"query": {"name": "x", "page_token": "t2"}}))),
        (json!({"query": {"page_token": "t1"}}), page(json!("t2")), Some(json!({"query": {"page_token": "t2"}}))),
        // A filter may leave a page empty.
        (json!({}), json!({"data": [], "next_page_token": "t2"}), Some(json!({"query": {"page_token": "t2"}}))),
        // One that does not move ends the walk.
        (json!({"query": {"page_token": "t2"}}), page(json!("t2")), None),
        (json!({}), page(json!(null)), None),
        (json!({}), page(json!("")), None),
        (json!({}), json!({"data": list(2)}), None),
    ];
    for (given, answer, expected) in cases {
        assert_eq!(next("List Libraries", given.clone(), answer.clone()), expected, "{given} {answer}");
    }
}

#[test]
fn a_search_takes_its_cursor_where_it_declares_it() {
    let answer = json!({"logs": {"results": list(1), "cursor": "c"}});
    let expected = json!({"query": {"cursor": "c"}, "payload": {"q": 1}});
    assert_eq!(next("Search Logs", json!({"payload": {"q": 1}}), answer.clone()), Some(expected));

    let declared = catalogue().by_signature(Method::Post, "/v1/observability/logs/search").unwrap();
    let in_body = Entry { parameters: Vec::new(), ..declared.clone() };
    let found = next_page(&in_body, &request(json!({"payload": {"q": 1}})), &answer, 0).unwrap();
    assert_eq!(found.into_value(), json!({"payload": {"q": 1, "cursor": "c"}}));
    let stuck = request(json!({"payload": {"cursor": "c"}}));
    assert_eq!(next_page(&in_body, &stuck, &answer, 0), None);
}

#[test]
fn counted_pages_go_on_as_long_as_the_answer_says() {
    let bare = |count| Value::Array(list(count));
    let total = |count, total: u64| json!({"data": list(count), "total": total});
    let more = |count, more: Value| json!({"judges": {"results": list(count), "next": more, "count": 1000}});
    let cases = [
        // Bare lists, first page 0, usual size 100.
        ("List Conversations", json!({}), bare(100), Some(json!(1))),
        ("List Conversations", json!({"page": 4}), bare(100), Some(json!(5))),
        ("List Conversations", json!({"page": "4"}), bare(100), Some(json!(5))),
        ("List Conversations", json!({}), bare(99), None),
        ("List Conversations", json!({"page_size": 10}), bare(10), Some(json!(1))),
        ("List Conversations", json!({"page_size": 10}), bare(9), None),
        // The service may give less than a size above the usual.
        ("List Conversations", json!({"page_size": 500}), bare(100), Some(json!(1))),
        ("List Conversations", json!({"page_size": 500}), bare(0), None),
        // A total.
        ("List Files", json!({}), total(100, 250), Some(json!(1))),
        ("List Files", json!({"page": 2}), total(50, 250), None),
        ("List Files", json!({"page": 1}), total(100, 200), None),
        ("List Files", json!({"page": 1, "page_size": 1000}), total(100, 1100), Some(json!(2))),
        ("List Files", json!({"page": 3}), total(0, 250), None),
        ("List Files", json!({}), json!({"data": list(100)}), Some(json!(1))),
        // The answer says whether there is more; first page 1.
        ("List Judges", json!({}), more(50, json!("link")), Some(json!(2))),
        ("List Judges", json!({"page": 2}), more(0, json!("link")), Some(json!(3))),
        ("List Judges", json!({}), more(50, json!(null)), None),
    ];
    for (title, query, answer, expected) in cases {
        let found = next(title, json!({"query": query}), answer).map(|next| next["query"]["page"].clone());
        assert_eq!(found, expected, "{title} {query}");
    }
}

#[test]
fn counted_items_and_windows_end_too() {
    let voices = |count, total: u64| json!({"items": list(count), "total": total});
    let keys = |count| json!({"keys": list(count)});
    let cases = [
        ("List Voices", json!({}), voices(10, 25), Some(json!({"offset": 10}))),
        ("List Voices", json!({"offset": 20}), voices(5, 25), None),
        ("List Voices", json!({"offset": 20}), voices(0, 25), None),
        ("List API Keys", json!({"limit": 2}), keys(2), Some(json!({"limit": 2, "offset": 2}))),
        ("List API Keys", json!({"limit": 2}), keys(1), None),
        ("List Audit Logs", json!({}), Value::Array(list(20)), Some(json!({"before": "t19"}))),
        ("List Audit Logs", json!({"before": "t19"}), Value::Array(list(20)), None),
        ("List Audit Logs", json!({}), Value::Array(list(19)), None),
        ("List Audit Logs", json!({}), json!([]), None),
    ];
    for (title, query, answer, expected) in cases {
        let found = next(title, json!({"query": query}), answer).map(|next| next["query"].clone());
        assert_eq!(found, expected, "{title} {query}");
    }
}

#[test]
fn no_walk_is_endless_and_what_is_no_list_has_one_page() {
    let judges = catalogue().by_signature(Method::Get, "/v1/observability/judges").unwrap();
    let answer = json!({"judges": {"results": list(50), "next": "more"}});
    assert!(next_page(judges, &request(json!({})), &answer, MAX_PAGES - 2).is_some());
    assert_eq!(next_page(judges, &request(json!({})), &answer, MAX_PAGES - 1), None);
    assert_eq!(next("List Models", json!({}), json!({"data": list(3)})), None);
}

#[test]
fn items_are_where_the_catalogue_says() {
    let models = catalogue().by_signature(Method::Get, "/v1/models").unwrap();
    let judges = catalogue().by_signature(Method::Get, "/v1/observability/judges").unwrap();
    let one = catalogue().by_signature(Method::Get, "/v1/models/{model_id}").unwrap();
    assert_eq!(items(models, &json!({"data": [1, 2]})), Some(vec![json!(1), json!(2)]));
    assert_eq!(items(models, &json!([1])), Some(vec![json!(1)]), "a bare list");
    assert_eq!(items(models, &json!({"data": null})), Some(vec![]));
    assert_eq!(items(models, &json!({"models": []})), None, "nothing is lost where the answer has another form");
    assert_eq!(items(judges, &json!({"judges": {"results": [3]}})), Some(vec![json!(3)]));
    assert_eq!(items(one, &json!({"id": "x"})), None);
}

#[test]
fn every_paged_list_goes_on_and_ends() {
    let mut paged = 0;
    for entry in catalogue().operations.iter().filter(|entry| entry.paging.is_some()) {
        paged += 1;
        let (more, done) = (page_of(entry, 3, true), page_of(entry, 0, false));
        let small = match entry.paging.as_ref().unwrap() {
            Paging::Cursor { size, .. }
            | Paging::Page { size, .. }
            | Paging::Offset { size, .. }
            | Paging::Window { size, .. } => json!({"query": {size.as_str(): 3}}),
        };
        let request = request(small);
        let next = next_page(entry, &request, &more, 0).unwrap_or_else(|| panic!("{}", entry.path));
        assert_ne!(next, request, "{}", entry.path);
        assert_eq!(next_page(entry, &request, &done, 0), None, "{}", entry.path);
    }
    assert_eq!(paged, 44);
}

/// An answer in the form that an entry says: a page with so many items, and what says whether there are more.
fn page_of(entry: &Entry, count: usize, more: bool) -> Value {
    let mut answer = json!(null);
    let mut put = |pointer: &str, value: Value| {
        let mut place = &mut answer;
        for segment in pointer.split('/').skip(1) {
            if !place.is_object() {
                *place = json!({});
            }
            place = &mut place[segment];
        }
        *place = value;
    };
    let items = list(count);
    put(entry.items.as_deref().unwrap(), Value::Array(items));
    match entry.paging.as_ref().unwrap() {
        Paging::Cursor { next, .. } => put(next, if more { json!("c") } else { Value::Null }),
        Paging::Page { more: Some(pointer), .. } => put(pointer, json!(more)),
        Paging::Page { total: Some(pointer), .. } | Paging::Offset { total: Some(pointer), .. } => {
            put(pointer, json!(if more { 1000 } else { 0 }));
        }
        _ => {}
    }
    answer
}
