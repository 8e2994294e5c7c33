//! Objects are made, listed, shown, changed and deleted; all lists are walked page by page.

use crate::wire::{Got, JSON, client, send};
use connectors::mistral::catalogue::catalogue;
use connectors::openapi::catalogue::{Entry, Method, Paging};
use connectors::openapi::example::{Fill, example_request};
use serde_json::{Value, json};
use simulator::{Clock, Options, Running};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

async fn start(options: Options) -> Running {
    simulator::start(options).await.unwrap()
}

async fn ask(running: &Running, method: &str, target: &str, body: &Value) -> Got {
    let headers = [("authorization", "Bearer sim"), ("x-api-key", "sim"), JSON];
    let used = if body.is_null() { &headers[..2] } else { &headers[..] };
    let body = if body.is_null() { String::new() } else { body.to_string() };
    send(&client(), method, format!("{}{target}", running.url()), used, body).await
}

fn entry(method: Method, path: &str) -> &'static Entry {
    catalogue().operations.iter().find(|entry| entry.method == method && entry.path == path).unwrap()
}

fn body(method: Method, path: &str) -> Value {
    let request = example_request(entry(method, path), catalogue(), 1, Fill::Smallest);
    request.payload.unwrap_or(Value::Null)
}

/// Objects that need no others: where they are made and listed, one of them, the id's field, whether one can be shown
/// alone, and how its name can be changed.
type Family = (&'static str, &'static str, &'static str, bool, Option<(Method, &'static str)>);

const FAMILIES: [Family; 14] = [
    ("/v1/agents", "/v1/agents/{agent_id}", "id", true, Some((Method::Patch, "name"))),
    ("/v1/libraries", "/v1/libraries/{library_id}", "id", true, Some((Method::Put, "name"))),
    ("/v2/prompts", "/v2/prompts/{prompt_id}", "id", true, None),
    ("/v2/skills", "/v2/skills/{skill_id}", "id", true, None),
    ("/v1/connectors", "/v1/connectors/{connector_id}", "id", true, Some((Method::Patch, "description"))),
    ("/v1/audio/voices", "/v1/audio/voices/{voice_id}", "id", true, Some((Method::Patch, "name"))),
    ("/v1/workflows/schedules", "/v1/workflows/schedules/{schedule_id}", "schedule_id", true, None),
    ("/v1/workflows/deployments", "/v1/workflows/deployments/{name}", "name", true, None),
    ("/v1/observability/campaigns", "/v1/observability/campaigns/{campaign_id}", "id", true, None),
    (
        "/v1/observability/datasets",
        "/v1/observability/datasets/{dataset_id}",
        "id",
        true,
        Some((Method::Patch, "name")),
    ),
    ("/v1/observability/judges", "/v1/observability/judges/{judge_id}", "id", true, Some((Method::Put, "name"))),
    ("/v1/admin/workspaces", "/v1/admin/workspaces/{workspace_uuid}", "uuid", false, Some((Method::Patch, "name"))),
    ("/v1/admin/user-groups", "/v1/admin/user-groups/{group_uuid}", "uuid", true, Some((Method::Patch, "name"))),
    ("/v1/admin/api-keys", "/v1/admin/api-keys/{key_id}", "key_id", false, None),
];

/// The status that the document declares for a success.
fn declared(method: Method, path: &str) -> u16 {
    entry(method, path).answers.first().unwrap().status
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_is_listed_shown_changed_and_deleted() {
    let running = start(Options::default()).await;
    for (base, item, id, shown, changed) in FAMILIES {
        let made = ask(&running, "POST", base, &body(Method::Post, base)).await;
        assert_eq!(made.status, declared(Method::Post, base), "{base}: {}", made.text());
        let name = made.json()[id].as_str().unwrap_or_else(|| panic!("{base}: {}", made.text())).to_owned();
        let target = format!("{}/{name}", item.rsplit_once('/').unwrap().0);
        let listed = ask(&running, "GET", base, &Value::Null).await;
        assert!(listed.text().contains(&name), "{base}: {}", listed.text());
        if shown {
            let got = ask(&running, "GET", &target, &Value::Null).await;
            assert_eq!((got.status, got.text().contains(&name)), (200, true), "{base}: {}", got.text());
        }
        if let Some((method, field)) = changed {
            let mut change = body(method, item);
            change[field] = json!("Renamed by hand");
            let got = ask(&running, method.as_str(), &target, &change).await;
            assert_eq!(got.status, declared(method, item), "{base}: {}", got.text());
            let listed = ask(&running, "GET", base, &Value::Null).await;
            assert!(listed.text().contains("Renamed by hand"), "{base}: {}", listed.text());
            if shown {
                let got = ask(&running, "GET", &target, &Value::Null).await.json();
                assert_eq!(got[field], "Renamed by hand", "{base}: {got}");
            }
        }
        let gone = ask(&running, "DELETE", &target, &Value::Null).await;
        assert_eq!(gone.status, declared(Method::Delete, item), "{base}: {}", gone.text());
        for method in [Some("DELETE"), shown.then_some("GET"), changed.map(|(method, _)| method.as_str())] {
            let Some(method) = method else { continue };
            let change = if matches!(method, "PATCH" | "PUT") { body(changed.unwrap().0, item) } else { Value::Null };
            let again = ask(&running, method, &target, &change).await;
            let missing = again.text().contains("does not exist");
            assert_eq!((again.status, missing), (404, true), "{method} {base}: {}", again.text());
        }
        let listed = ask(&running, "GET", base, &Value::Null).await;
        assert!(!listed.text().contains(&name), "{base}: {}", listed.text());
    }
}

/// Objects below others: what makes the one above and where its id is, how one is made, where they are listed and the
/// items are, which field of an item is its id, and how one is deleted; `{}` is the one above, `{id}` the one below.
type Nested = (&'static str, &'static str, (Method, &'static str), &'static str, &'static str, Option<&'static str>);

const NESTED: [Nested; 9] = [
    ("/v1/agents", "id", (Method::Put, "/v1/agents/{}/aliases"), "", "alias", Some("/v1/agents/{}/aliases?alias={id}")),
    ("/v1/libraries", "id", (Method::Put, "/v1/libraries/{}/share"), "/data", "share_with_uuid", None),
    (
        "/v1/connectors",
        "id",
        (Method::Post, "/v1/connectors/{}/organization/credentials"),
        "/credentials",
        "name",
        Some("/v1/connectors/{}/organization/credentials/{id}"),
    ),
    (
        "/v1/connectors",
        "id",
        (Method::Post, "/v1/connectors/{}/workspace/credentials"),
        "/credentials",
        "name",
        Some("/v1/connectors/{}/workspace/credentials/{id}"),
    ),
    (
        "/v1/connectors",
        "id",
        (Method::Post, "/v1/connectors/{}/user/credentials"),
        "/credentials",
        "name",
        Some("/v1/connectors/{}/user/credentials/{id}"),
    ),
    (
        "/v1/observability/datasets",
        "id",
        (Method::Post, "/v1/observability/datasets/{}/records"),
        "/records/results",
        "id",
        Some("/v1/observability/dataset-records/{id}"),
    ),
    (
        "/v1/admin/user-groups",
        "uuid",
        (Method::Post, "/v1/admin/user-groups/{}/workspaces"),
        "/items",
        "workspace_uuid",
        Some("/v1/admin/user-groups/{}/workspaces/{id}"),
    ),
    ("/v2/prompts", "id", (Method::Post, "/v2/prompts/{}/versions"), "/data", "version", None),
    ("/v2/skills", "id", (Method::Post, "/v2/skills/{}/versions"), "/data", "version", None),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_below_others_is_listed_and_goes_with_them() {
    let running = start(Options::default()).await;
    for (above, above_id, (method, path), items, id, delete) in NESTED {
        let parent = ask(&running, "POST", above, &body(Method::Post, above)).await.json();
        let parent = parent[above_id].as_str().unwrap().to_owned();
        let entry = catalogue().operations.iter().find(|entry| {
            let shape = entry.path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part });
            entry.method == method && shape.collect::<Vec<_>>().join("/") == path
        });
        let mut payload =
            example_request(entry.unwrap(), catalogue(), 1, Fill::Smallest).payload.unwrap_or(Value::Null);
        if let Some(name) = payload.get_mut("name") {
            *name = json!("steady");
        }
        let base = path.replace("{}", &parent);
        let listed = async || {
            let got = ask(&running, "GET", &base, &Value::Null).await.json();
            got.pointer(items).unwrap_or_else(|| panic!("{path}: {got}")).as_array().unwrap().clone()
        };
        let before = listed().await.len();
        let query = if id == "alias" { "?alias=steady&version=0" } else { "" };
        let made = ask(&running, method.as_str(), &format!("{base}{query}"), &payload).await;
        assert_eq!(made.status, entry.unwrap().answers.first().unwrap().status, "{path}: {}", made.text());
        let there = listed().await;
        assert_eq!(there.len(), before + 1, "{path}: {there:?}");
        if let Some(delete) = delete {
            let id = there.last().unwrap()[id].as_str().unwrap_or_else(|| panic!("{path}: {there:?}"));
            let target = delete.replace("{}", &parent).replace("{id}", id);
            let gone = ask(&running, "DELETE", &target, &Value::Null).await;
            assert!(matches!(gone.status, 200 | 204), "{path}: {}", gone.text());
            assert_eq!(ask(&running, "DELETE", &target, &Value::Null).await.status, 404, "{path}");
            assert_eq!(listed().await.len(), before, "{path}");
        }
        ask(&running, "DELETE", &format!("{above}/{parent}"), &Value::Null).await;
        assert_eq!(ask(&running, "GET", &base, &Value::Null).await.status, 404, "{path}: gone with what was above");
    }
}

#[tokio::test]
async fn members_come_and_go() {
    let running = start(Options::default()).await;
    let person = |email: &str| json!({"email": email, "first_name": "Ada", "last_name": "Lee"});
    let made =
        ask(&running, "POST", "/v1/admin/users", &json!([person("ada@example.org"), person("nobody")])).await.json();
    assert_eq!(made["invalid_emails"], json!(["nobody"]));
    let ada = made["email_to_user_id"]["ada@example.org"].as_str().unwrap().to_owned();
    let list = ask(&running, "GET", "/v1/admin/users", &Value::Null).await.json();
    assert_eq!((&list["members"][0]["uuid"], &list["total"]), (&json!(ada), &json!(1)), "{list}");
    let target = format!("/v1/admin/users/{ada}");
    let shown = ask(&running, "GET", &target, &Value::Null).await.json();
    assert_eq!((&shown["email"], &shown["name"]), (&json!("ada@example.org"), &json!("Ada Lee")));

    let invite =
        async |email: &str| ask(&running, "POST", "/v1/admin/users-invite", &json!({"email": email})).await.json();
    assert_eq!(invite("new@example.org").await["invited_members_count"], 1);
    assert_eq!(invite("ada@example.org").await["already_members"], json!(["ada@example.org"]));
    assert_eq!(invite("nobody").await["invalid_emails"], json!(["nobody"]));
    let invited = ask(&running, "GET", "/v1/admin/users-invite", &Value::Null).await.json();
    assert_eq!((invited.as_array().map(Vec::len), &invited[0]["email"]), (Some(1), &json!("new@example.org")));
    let invitation = format!("/v1/admin/users-invite/{}", invited[0]["invite_uuid"].as_str().unwrap());
    for status in [200, 404] {
        assert_eq!(ask(&running, "DELETE", &invitation, &Value::Null).await.status, status);
    }

    let group = body(Method::Post, "/v1/admin/user-groups");
    let group = ask(&running, "POST", "/v1/admin/user-groups", &group).await.json();
    let members = format!("/v1/admin/user-groups/{}/members", group["uuid"].as_str().unwrap());
    let who = json!({"user_uuids": [ada]});
    for (method, status, count) in [("POST", 204, 1), ("POST", 204, 1), ("DELETE", 204, 0), ("DELETE", 404, 0)] {
        assert_eq!(ask(&running, method, &members, &who).await.status, status, "{method}");
        let list = ask(&running, "GET", &members, &Value::Null).await.json();
        assert_eq!((list["members"].as_array().map(Vec::len), &list["total"]), (Some(count), &json!(count)), "{list}");
    }
    for status in [200, 404] {
        assert_eq!(ask(&running, "DELETE", &target, &Value::Null).await.status, status);
    }
}

#[tokio::test]
async fn what_is_taken_or_running_is_refused() {
    let hand = Arc::new(AtomicU64::new(0));
    let running = start(Options { clock: Clock::by_hand(hand.clone()), ..Options::default() }).await;
    let execute = json!({"execution_id": "mine"});
    let schedule = {
        let mut body = body(Method::Post, "/v1/workflows/schedules");
        body["schedule_id"] = json!("mine");
        body
    };
    let deployment = body(Method::Post, "/v1/workflows/deployments");
    let all = [
        ("/v1/workflows/flow/execute", execute),
        ("/v1/workflows/schedules", schedule),
        ("/v1/workflows/deployments", deployment),
    ];
    for (path, body) in all {
        let first = ask(&running, "POST", path, &body).await;
        assert!(first.status < 300, "{path}: {}", first.text());
        let again = ask(&running, "POST", path, &body).await;
        assert_eq!((again.status, &again.json()["code"]), (409, &json!("WF_1101")), "{path}: {}", again.text());
    }
    let sync = ask(&running, "POST", "/v1/admin/scim/sync", &json!({})).await.json();
    let again = ask(&running, "POST", "/v1/admin/scim/sync", &json!({})).await;
    assert_eq!((again.status, again.json()), (409, json!({"run_id": sync["run_id"], "status": "RUNNING"})));
    let target = format!("/v1/admin/scim/sync/{}", sync["run_id"].as_str().unwrap());
    assert_eq!(ask(&running, "GET", &target, &Value::Null).await.json()["status"], "RUNNING");
    hand.store(3_000, Ordering::Release);
    assert_eq!(ask(&running, "GET", &target, &Value::Null).await.json()["status"], "SUCCESS");
    assert_eq!(ask(&running, "POST", "/v1/admin/scim/sync", &json!({})).await.status, 202);
}

#[tokio::test]
async fn objects_are_bounded_and_belong_to_their_parents() {
    let running = start(Options { max_objects: 2, ..Options::default() }).await;
    let library = ask(&running, "POST", "/v1/libraries", &json!({"name": "Shelf"})).await.json();
    assert_eq!(library["name"], "Shelf");
    ask(&running, "POST", "/v1/libraries", &json!({"name": "Shelf"})).await;
    let full = ask(&running, "POST", "/v1/libraries", &json!({"name": "Shelf"})).await;
    assert_eq!((full.status, full.text().contains("at most 2")), (403, true), "{}", full.text());
    let nowhere = format!("/v1/libraries/{}/documents", "0b7e9d1c-5a6f-4f0e-9a51-2f6d3c8e7a10");
    assert_eq!(ask(&running, "GET", &nowhere, &Value::Null).await.status, 404);
}

#[tokio::test]
async fn an_agent_has_versions() {
    let running = start(Options::default()).await;
    let agent =
        ask(&running, "POST", "/v1/agents", &json!({"model": "mistral-small-latest", "name": "a"})).await.json();
    let target = format!("/v1/agents/{}", agent["id"].as_str().unwrap());
    assert_eq!((&agent["version"], &agent["name"]), (&json!(0), &json!("a")));
    let changed = ask(&running, "PATCH", &target, &json!({"name": "b"})).await.json();
    assert_eq!((&changed["version"], &changed["name"]), (&json!(1), &json!("b")));
    let old = ask(&running, "GET", &format!("{target}/versions/0"), &Value::Null).await.json();
    assert_eq!(old["name"], "a", "{old}");
    let versions = ask(&running, "GET", &format!("{target}/versions"), &Value::Null).await.json();
    assert_eq!(versions.as_array().map(Vec::len), Some(2));
    let back = ask(&running, "PATCH", &format!("{target}/version?version=0"), &Value::Null).await.json();
    assert_eq!(back["name"], "a", "{back}");
}

#[tokio::test]
async fn a_conversation_goes_on_and_is_streamed_alike() {
    let running = start(Options::default()).await;
    let start = json!({"model": "mistral-small-latest", "inputs": "hello"});
    let first = ask(&running, "POST", "/v1/conversations", &start).await.json();
    let target = format!("/v1/conversations/{}", first["conversation_id"].as_str().unwrap());
    let next = ask(&running, "POST", &target, &json!({"inputs": "and then?"})).await.json();
    assert_eq!(next["conversation_id"], first["conversation_id"]);
    assert_ne!(next["outputs"], first["outputs"]);
    let history = ask(&running, "GET", &format!("{target}/history"), &Value::Null).await.json();
    assert_eq!(history["entries"].as_array().map(Vec::len), Some(4), "{history}");
    assert_eq!(history["entries"][1], first["outputs"][0]);
    let mut streamed = start.clone();
    streamed["stream"] = true.into();
    let told = ask(&running, "POST", "/v1/conversations", &streamed).await.text();
    let events = told.lines().filter_map(|line| line.strip_prefix("data: "));
    let events: Vec<Value> = events.map(|event| serde_json::from_str(event).unwrap()).collect();
    let text: String = events.iter().filter_map(|event| event["content"].as_str()).collect();
    assert_eq!(first["outputs"][0]["content"], *text);
    assert_eq!(events.last().unwrap()["usage"], first["usage"]);
    assert_eq!(ask(&running, "DELETE", &target, &Value::Null).await.status, 204);
    assert_eq!(ask(&running, "POST", &target, &json!({"inputs": "?"})).await.status, 404);
}

#[tokio::test]
async fn a_task_ends_by_the_clock() {
    let hand = Arc::new(AtomicU64::new(0));
    let running = start(Options { clock: Clock::by_hand(hand.clone()), ..Options::default() }).await;
    let made = body(Method::Post, "/v1/observability/datasets");
    let dataset = ask(&running, "POST", "/v1/observability/datasets", &made).await.json();
    let base = format!("/v1/observability/datasets/{}", dataset["id"].as_str().unwrap());
    let import = body(Method::Post, "/v1/observability/datasets/{dataset_id}/imports/from-file");
    let task = ask(&running, "POST", &format!("{base}/imports/from-file"), &import).await.json();
    assert_eq!(task["status"], "RUNNING", "{task}");
    hand.store(3_000, Ordering::Release);
    let target = format!("{base}/tasks/{}", task["id"].as_str().unwrap());
    assert_eq!(ask(&running, "GET", &target, &Value::Null).await.json()["status"], "COMPLETED");
}

/// The lists that nothing is added to, walked to their end in their own scheme.
#[tokio::test(flavor = "multi_thread")]
async fn lists_go_page_by_page() {
    let running = start(Options { examples: 250, ..Options::default() }).await;
    let mut walked = 0;
    for entry in catalogue().operations.iter().filter(|entry| entry.method == Method::Get && !entry.path.contains('{'))
    {
        let Some(paging) = &entry.paging else { continue };
        let mut seen = Vec::new();
        let mut next = None;
        for page in 0.. {
            assert!(page < 300, "{} does not end", entry.path);
            let (name, size) = match paging {
                Paging::Cursor { parameter, size, .. }
                | Paging::Page { parameter, size, .. }
                | Paging::Offset { parameter, size, .. }
                | Paging::Window { parameter, size, .. } => (parameter, size),
            };
            let at =
                next.as_ref().map_or(String::new(), |next: &String| format!("&{name}={}", next.replace(':', "%3A")));
            let got = ask(&running, "GET", &format!("{}?{size}=50{at}", entry.path), &Value::Null).await;
            assert_eq!(got.status, 200, "{}: {}", entry.path, got.text());
            let value = got.json();
            let items = value.pointer(entry.items.as_deref().unwrap()).unwrap().as_array().unwrap().clone();
            next = match paging {
                Paging::Cursor { next, .. } => {
                    let token = value.pointer(next).and_then(Value::as_str);
                    token.filter(|token| !token.is_empty()).map(str::to_owned)
                }
                Paging::Page { first, .. } => (items.len() == 50).then(|| (page + 1 + *first).to_string()),
                Paging::Offset { .. } => (items.len() == 50).then(|| (seen.len() + 50).to_string()),
                Paging::Window { at, .. } => {
                    items.last().and_then(|item| item.pointer(at)).and_then(Value::as_str).map(str::to_owned)
                }
            };
            seen.extend(items);
            if next.is_none() {
                break;
            }
        }
        let distinct: HashSet<String> = seen.iter().map(Value::to_string).collect();
        assert_eq!(distinct.len(), seen.len(), "{}: each item once", entry.path);
        assert!(matches!(seen.len(), 0 | 250), "{}: {}", entry.path, seen.len());
        walked += usize::from(seen.len() == 250);
    }
    assert!(walked >= 7, "{walked}");
}

#[tokio::test]
async fn a_batch_job_runs_by_the_clock() {
    let hand = Arc::new(AtomicU64::new(0));
    let running = start(Options { clock: Clock::by_hand(hand.clone()), ..Options::default() }).await;
    let chat = json!({"model": "mistral-small-latest", "messages": [{"role": "user", "content": "hello"}]});
    let mut bare = chat.clone();
    bare.as_object_mut().unwrap().shift_remove("model");
    let job = json!({"endpoint": "/v1/chat/completions", "model": "mistral-small-latest", "requests": [
        {"custom_id": "a", "body": bare}, {"custom_id": "b", "body": {"messages": 3}}]});
    let made = ask(&running, "POST", "/v1/batch/jobs", &job).await;
    assert_eq!((made.status, &made.json()["status"]), (200, &json!("QUEUED")), "{}", made.text());
    let target = format!("/v1/batch/jobs/{}", made.json()["id"].as_str().unwrap());
    for (at, status) in [(1_000, "RUNNING"), (3_000, "SUCCESS")] {
        hand.store(at, Ordering::Release);
        assert_eq!(ask(&running, "GET", &target, &Value::Null).await.json()["status"], status);
    }
    let job = ask(&running, "GET", &target, &Value::Null).await.json();
    assert_eq!((&job["succeeded_requests"], &job["failed_requests"]), (&json!(1), &json!(1)), "{job}");
    let alone = ask(&running, "POST", "/v1/chat/completions", &chat).await.json();
    for (file, custom_id, status) in [("output_file", "a", 200), ("error_file", "b", 422)] {
        let content = format!("/v1/files/{}/content", job[file].as_str().unwrap());
        let line = ask(&running, "GET", &content, &Value::Null).await.json();
        assert_eq!((&line["custom_id"], &line["response"]["status_code"]), (&json!(custom_id), &json!(status)));
        assert!(status == 422 || line["response"]["body"] == alone, "{line}");
    }
    let inline = ask(&running, "GET", &format!("{target}?inline=true"), &Value::Null).await.json();
    assert_eq!((&job["outputs"], &inline["outputs"][0]["custom_id"]), (&Value::Null, &json!("a")), "{inline}");
    let other = json!({"endpoint": "/v1/chat/completions", "requests": [{"custom_id": "a", "body": chat}]});
    let other = ask(&running, "POST", "/v1/batch/jobs", &other).await.json();
    let target = format!("/v1/batch/jobs/{}", other["id"].as_str().unwrap());
    let asked = ask(&running, "POST", &format!("{target}/cancel"), &Value::Null).await.json();
    assert_eq!(asked["status"], "CANCELLATION_REQUESTED");
    hand.store(9_000, Ordering::Release);
    let ended = ask(&running, "GET", &target, &Value::Null).await.json();
    assert_eq!((&ended["status"], &ended["output_file"]), (&json!("CANCELLED"), &Value::Null));
}

#[tokio::test]
async fn embeddings_are_unit_vectors() {
    let running = start(Options::default()).await;
    for (more, dimension) in [(json!({}), 1024), (json!({"output_dimension": 7}), 7)] {
        let mut body = json!({"model": "mistral-embed", "input": ["a", "b", "a"]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let got = ask(&running, "POST", "/v1/embeddings", &body).await.json();
        let vectors: Vec<Vec<f64>> =
            (0..3).map(|place| serde_json::from_value(got["data"][place]["embedding"].clone()).unwrap()).collect();
        assert_eq!(vectors[0], vectors[2]);
        assert_ne!(vectors[0], vectors[1]);
        for vector in &vectors {
            let length: f64 = vector.iter().map(|part| part * part).sum();
            assert!(vector.len() == dimension && (length - 1.0).abs() < 1e-9, "{} {length}", vector.len());
        }
    }
}
