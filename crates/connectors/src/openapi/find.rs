//! Looking for what a call made whose answer was lost.

use super::catalogue::Find;
use super::form::{FILE_NAME, FILE_SIZE, first_file};
use super::retry_after::{date, unix};
use model::http::Likeness;
use model::{HttpAnswer, Millis, Request};
use serde_json::{Map, Value};

/// Times of the service are whole seconds, and two of them are compared.
const ROUNDING: Millis = 2_000;

/// The request that asks for it; `None` where the lost one has not what it would be asked by.
pub(crate) fn request(find: &Find, lost: &Request) -> Option<Request> {
    let slots = find.ask.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let filled = slots.map(|slot| {
        let value = match find.slots.get(slot) {
            Some(source) => value(lost, source)?,
            None => lost.path.get(slot)?.clone(),
        };
        let is_name = value.as_str().map_or(value.is_number(), |text| !text.is_empty());
        is_name.then(|| (slot.to_owned(), value))
    });
    let path = filled.collect::<Option<_>>()?;
    if !find.same.is_empty() && find.same.values().all(|source| value(lost, source).is_none()) {
        return None;
    }
    let query = find.query.iter().filter_map(|(name, source)| Some((name.clone(), value(lost, source)?)));
    Some(Request { path, query: query.collect(), ..Request::default() })
}

/// Puts the mark into a request, where its payload has room for it.
pub(crate) fn mark(find: &Find, request: &mut Request, text: &str) {
    let Some((around, name)) = find.mark.as_deref().and_then(|mark| mark.rsplit_once('/')) else { return };
    let Some(Value::Object(payload)) = &mut request.payload else { return };
    let mut here = payload;
    for step in around.split('/').skip(1) {
        let next = here.entry(step).or_insert(Value::Null);
        if next.is_null() {
            *next = Value::Object(Map::new());
        }
        let Value::Object(next) = next else { return };
        here = next;
    }
    here.insert(name.to_owned(), Value::from(text));
}

/// Whether this is what the lost call made, which began at `began`. The answer that it was found in came at `now`.
pub(crate) fn likeness(
    find: &Find,
    lost: &Request,
    item: &Value,
    answer: &HttpAnswer,
    (began, now): (Millis, Millis),
) -> Likeness {
    if let Some(mark) = &find.mark {
        let sent = lost.payload.as_ref().and_then(|payload| payload.pointer(mark));
        return match (sent, item.pointer(mark)) {
            (Some(sent), Some(found)) if sent == found => Likeness::Same,
            (Some(_), _) => Likeness::Other,
            (None, _) => Likeness::Unsure,
        };
    }
    let differs = |(at, source): (&String, &String)| {
        value(lost, source).is_some_and(|sent| item.pointer(at).is_none_or(|found| !equal(&sent, found)))
    };
    if find.same.iter().any(differs) {
        return Likeness::Other;
    }
    let Some(created) = &find.created else { return Likeness::Same };
    let Some(created) = item.pointer(created).and_then(seconds) else { return Likeness::Unsure };
    // By the service's clock, as far as it shows it: ours may be wrong.
    let service = answer.header("date").and_then(date).map_or(now, unix);
    if created + ROUNDING >= service - (now - began) { Likeness::Same } else { Likeness::Other }
}

fn equal(sent: &Value, found: &Value) -> bool {
    match (sent.as_i64(), found.as_i64()) {
        (Some(sent), Some(found)) => sent == found,
        _ => sent == found,
    }
}

fn seconds(value: &Value) -> Option<Millis> {
    value.as_i64()?.checked_mul(1_000)
}

/// A value of the lost request.
fn value(lost: &Request, source: &str) -> Option<Value> {
    let payload = lost.payload.as_ref()?;
    let found = match source {
        FILE_NAME => first_file(payload).map(|(name, _)| Value::from(name)),
        FILE_SIZE => first_file(payload).and_then(|(_, size)| size).map(Value::from),
        source => payload.pointer(source.strip_prefix("/payload")?).cloned(),
    };
    found.filter(|value| !value.is_null())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use serde_json::json;

    fn find(fields: &Value) -> Find {
        let mut find = json!({ "ask": "/v1/files" });
        fields.as_object().unwrap().iter().for_each(|(name, value)| find[name] = value.clone());
        serde_json::from_value(find).unwrap()
    }

    fn lost(payload: Value) -> Request {
        Request { payload: Some(payload), ..Request::default() }
    }

    fn answer(date: Option<&str>) -> HttpAnswer {
        let headers = date.map(|date| ("date".to_owned(), date.to_owned())).into_iter().collect();
        HttpAnswer { status: 200, headers, body: Bytes::new(), kept: None, truncated: false }
    }

    #[test]
    fn a_file_is_known_by_name_size_and_time() {
        let find = find(&json!({
            "query": { "search": "file.name" }, "created": "/created_at",
            "same": { "/filename": "file.name", "/bytes": "file.size", "/purpose": "/payload/purpose" },
        }));
        let lost = lost(json!({ "purpose": "batch", "file": { "$base64": "YWJj", "filename": "a.jsonl" } }));
        assert_eq!(request(&find, &lost).unwrap().query, json!({ "search": "a.jsonl" }).as_object().unwrap().clone());
        // 06 Nov 1994 08:49:37 is 784111777 in Unix seconds; our clock is an hour ahead of the service's.
        let date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        let now = 784_111_777_000 + 3_600_000;
        let began = now - 60_000;
        let item = |name: &str, bytes: u64, at: i64| json!({ "filename": name, "bytes": bytes, "purpose": "batch", "created_at": 784_111_777 + at });
        for (item, expected) in [
            (item("a.jsonl", 3, -50), Likeness::Same),
            (item("a.jsonl", 3, -61), Likeness::Same),
            (item("a.jsonl", 3, -63), Likeness::Other),
            (item("a.jsonl", 4, -50), Likeness::Other),
            (item("b.jsonl", 3, -50), Likeness::Other),
            (json!({ "filename": "a.jsonl", "bytes": 3, "purpose": "batch" }), Likeness::Unsure),
            (
                json!({ "filename": "a.jsonl", "bytes": 3, "purpose": "ocr", "created_at": 784_111_777 }),
                Likeness::Other,
            ),
        ] {
            assert_eq!(likeness(&find, &lost, &item, &answer(date), (began, now)), expected, "{item}");
        }
    }

    #[test]
    fn a_job_is_known_by_its_mark() {
        let find = find(&json!({ "mark": "/metadata/tramontane" }));
        for (payload, marked) in [
            (json!({ "model": "m" }), json!({ "model": "m", "metadata": { "tramontane": "a-1" } })),
            (json!({ "metadata": null }), json!({ "metadata": { "tramontane": "a-1" } })),
            (json!({ "metadata": { "x": 1 } }), json!({ "metadata": { "x": 1, "tramontane": "a-1" } })),
            (json!({ "metadata": "text" }), json!({ "metadata": "text" })),
        ] {
            let mut request = lost(payload);
            mark(&find, &mut request, "a-1");
            assert_eq!(request.payload, Some(marked));
        }
        let sent = lost(json!({ "metadata": { "tramontane": "a-1" } }));
        let found = |item: Value| likeness(&find, &sent, &item, &answer(None), (0, 0));
        assert_eq!(found(json!({ "metadata": { "tramontane": "a-1" } })), Likeness::Same);
        assert_eq!(found(json!({ "metadata": { "tramontane": "a-11" } })), Likeness::Other);
        assert_eq!(found(json!({ "metadata": null })), Likeness::Other);
    }

    #[test]
    fn a_name_fills_the_slot() {
        let mut find = find(&json!({ "slots": { "name": "/payload/name" } }));
        find.ask = "/v1/deployments/{name}".to_owned();
        assert_eq!(request(&find, &lost(json!({ "name": "d" }))).unwrap().path["name"], "d");
        for without in [json!({}), json!({ "name": "" }), json!({ "name": null }), json!({ "name": ["d"] })] {
            assert!(request(&find, &lost(without)).is_none());
        }
    }
}
