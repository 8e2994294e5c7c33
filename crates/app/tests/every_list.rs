//! Every list that has pages, over 250 items, with the process ended after every page: each item comes once, and no page
//! is asked for twice.
//!
//! Nothing is added or deleted meanwhile: then every scheme is exact, time windows as long as no two items have the same
//! moment. What schemes cannot promise otherwise, docs/mistral.md says.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, starts the binary and reads its files"
)]

mod world;

use connectors::mistral::catalogue::catalogue;
use connectors::openapi::catalogue::{Entry, Method, Paging};
use connectors::openapi::example::{Fill, example_request};
use model::Request;
use model::form::{Content, FilePart, FileSource, Form};
use serde_json::{Value, json};
use simulator::{Clock, Options};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::runtime::Runtime;
use world::{Ran, World, lines};

/// Items of each list.
const ITEMS: usize = 250;
/// Items of a page, where the operation allows so many.
const SIZE: u64 = 50;

/// Lists whose items are made by an operation, and by which. The others show what the simulator makes up.
const MADE_BY: [(&str, Method, &str); 25] = [
    ("/v1/admin/api-keys", Method::Post, "/v1/admin/api-keys"),
    ("/v1/admin/user-groups", Method::Post, "/v1/admin/user-groups"),
    ("/v1/admin/user-groups/{group_uuid}/workspaces", Method::Post, "/v1/admin/user-groups/{group_uuid}/workspaces"),
    ("/v1/admin/workspaces", Method::Post, "/v1/admin/workspaces"),
    ("/v1/agents", Method::Post, "/v1/agents"),
    ("/v1/agents/pages", Method::Post, "/v1/agents"),
    ("/v1/agents/{agent_id}/versions", Method::Patch, "/v1/agents/{agent_id}"),
    ("/v1/audio/voices", Method::Post, "/v1/audio/voices"),
    ("/v1/batch/jobs", Method::Post, "/v1/batch/jobs"),
    ("/v1/connectors", Method::Post, "/v1/connectors"),
    ("/v1/conversations", Method::Post, "/v1/conversations"),
    ("/v1/files", Method::Post, "/v1/files"),
    ("/v1/libraries", Method::Post, "/v1/libraries"),
    ("/v1/libraries/{library_id}/documents", Method::Post, "/v1/libraries/{library_id}/documents"),
    ("/v1/observability/campaigns", Method::Post, "/v1/observability/campaigns"),
    ("/v1/observability/datasets", Method::Post, "/v1/observability/datasets"),
    (
        "/v1/observability/datasets/{dataset_id}/records",
        Method::Post,
        "/v1/observability/datasets/{dataset_id}/records",
    ),
    (
        "/v1/observability/datasets/{dataset_id}/tasks",
        Method::Post,
        "/v1/observability/datasets/{dataset_id}/imports/from-file",
    ),
    ("/v1/observability/judges", Method::Post, "/v1/observability/judges"),
    ("/v1/workflows/deployments", Method::Post, "/v1/workflows/deployments"),
    ("/v1/workflows/schedules", Method::Post, "/v1/workflows/schedules"),
    ("/v1/admin/users", Method::Post, "/v1/admin/users"),
    ("/v1/admin/user-groups/{group_uuid}/members", Method::Post, "/v1/admin/user-groups/{group_uuid}/members"),
    ("/v2/prompts", Method::Post, "/v2/prompts"),
    ("/v2/skills", Method::Post, "/v2/skills"),
];

/// What makes the object that a slot names, and where the answer has its id.
const PARENTS: [(&str, &str, &str); 8] = [
    ("agent_id", "/v1/agents", "/id"),
    ("campaign_id", "/v1/observability/campaigns", "/id"),
    ("connector_id_or_name", "/v1/connectors", "/id"),
    ("dataset_id", "/v1/observability/datasets", "/id"),
    ("execution_id", "/v1/workflows/{workflow_identifier}/execute", "/execution_id"),
    ("group_uuid", "/v1/admin/user-groups", "/uuid"),
    ("library_id", "/v1/libraries", "/id"),
    ("name", "/v1/workflows/deployments", "/name"),
];

/// Members by which the client names what it makes; each must be another.
const NAMES: [&str; 4] = ["name", "schedule_id", "workspace_uuid", "execution_id"];

/// A list in a service of its own.
struct Shelf<'a> {
    entry: &'a Entry,
    url: String,
    slots: BTreeMap<String, Value>,
}

impl Shelf<'_> {
    /// A smallest request of an operation, with the objects in its slots that are there.
    fn request(&self, entry: &Entry, seed: usize) -> Request {
        let mut request = example_request(entry, catalogue(), seed as u64, Fill::Smallest);
        for (slot, value) in &mut request.path {
            if let Some(known) = self.slots.get(slot) {
                value.clone_from(known);
            }
        }
        if let Some(Value::Object(payload)) = &mut request.payload {
            for name in NAMES {
                if let Some(given) = payload.get_mut(name) {
                    let id = format!("{seed:08x}-0000-4000-8000-000000000000");
                    *given = id.into();
                }
            }
        }
        match (entry.method, &*entry.path) {
            (Method::Post, "/v1/conversations") => {
                request.payload = Some(json!({"model": "mistral-small-latest", "inputs": "hi"}))
            }
            (Method::Post, "/v1/admin/users") => {
                let email = format!("{seed}@example.org");
                request.payload = Some(json!([{"email": email, "first_name": "A", "last_name": "B"}]));
            }
            (Method::Post, "/v1/admin/user-groups/{group_uuid}/members") => {
                request.payload = Some(json!({"user_uuids": [format!("{seed:08x}-0000-4000-8000-000000000000")]}));
            }
            (Method::Post, "/v1/batch/jobs") => {
                let body = json!({"model": "mistral-small-latest", "messages": [{"role": "user", "content": "hi"}]});
                let requests = json!([{"custom_id": "a", "body": body}]);
                request.payload = Some(json!({"endpoint": "/v1/chat/completions", "requests": requests}));
            }
            _ => {}
        }
        request
    }

    /// Makes something: what the service says of it.
    fn make(&self, method: Method, path: &str, seed: usize) -> Result<Value, String> {
        let entry = catalogue().by_signature(method, path).unwrap();
        let (status, answer) = ask(&self.url, entry, &self.request(entry, seed));
        if status < 300 { Ok(answer) } else { Err(format!("{} {path}: {status} {answer}", method.as_str())) }
    }

    /// Makes the objects that the list's path names, and its items.
    fn fill(&mut self) -> Result<(), String> {
        for (slot, path, id) in PARENTS {
            if self.entry.path.contains(&format!("{{{slot}}}")) {
                let made = self.make(Method::Post, path, ITEMS)?;
                self.slots.insert(slot.to_owned(), made.pointer(id).unwrap().clone());
            }
        }
        let Some((_, method, path)) = MADE_BY.iter().find(|(list, _, _)| *list == self.entry.path) else {
            return Ok(());
        };
        // An agent has a version from the start.
        let there = usize::from(*method == Method::Patch);
        (there..ITEMS).try_for_each(|seed| self.make(*method, path, seed).map(drop))
    }

    fn definitions(&self, size: u64) -> String {
        let key = "\"${secret:MISTRAL_API_KEY}\"";
        let request = self.request(self.entry, 0);
        let mut parameters = serde_json::Map::new();
        for (name, given) in [("path", request.path), ("query", request.query)] {
            parameters.insert(name.to_owned(), given.into());
        }
        parameters.extend(request.payload.map(|payload| ("payload".to_owned(), payload)));
        let parameters = Value::Object(parameters);
        let (method, title) = (self.entry.method.as_str(), &self.entry.title);
        format!(
            "http_clients: {{ m: {{ prototype: mistral, base_uri: \"{url}\", api_key: {key}, admin_key: {key}, user_key: {key}, allow_private_addresses: true }} }}
incoming: {{ list: {{ subscriber: {{ type: mistral, http_client: m, method: {method}, entity: \"{title}\", page_size: {size}, request_parameters: {parameters} }} }} }}
outgoing: {{ out: {{ publisher: {{ type: file, path: out.jsonl }} }} }}
routes: {{ keep: {{ incoming: list, outgoing: out }} }}
",
            url = self.url,
        )
    }
}

/// Sends a request as the product builds it: the status and what came as JSON.
fn ask(url: &str, entry: &Entry, request: &Request) -> (u16, Value) {
    let built = connectors::openapi::build::build(entry, request).unwrap();
    let mut body = built.body.unwrap_or_default().to_vec();
    let mut head =
        format!("{} {} HTTP/1.0\r\nauthorization: Bearer key\r\nx-api-key: key\r\n", built.method, built.target);
    for (name, value) in built.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Some(form) = built.form {
        head.push_str("content-type: multipart/form-data; boundary=limit\r\n");
        body = multipart(&form);
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    let mut socket = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    socket.write_all(&[head.into_bytes(), body].concat()).unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

fn multipart(form: &Form) -> Vec<u8> {
    let mut body = Vec::new();
    for field in &form.0 {
        let content = match &field.content {
            Content::Text(text) => text.as_bytes(),
            Content::File(FilePart { source: FileSource::Bytes(bytes), .. }) => bytes,
            Content::File(file) => panic!("no blobs here: {file:?}"),
        };
        body.extend([field.head("limit").as_bytes(), content, Form::AFTER.as_bytes()].concat());
    }
    body.extend(Form::end("limit").into_bytes());
    body
}

/// How many items to ask for at a time, and how many pages there are then.
fn pages(entry: &Entry) -> (u64, usize) {
    let Some(
        Paging::Cursor { size, .. }
        | Paging::Page { size, .. }
        | Paging::Offset { size, .. }
        | Paging::Window { size, .. },
    ) = &entry.paging
    else {
        panic!("{} has no pages", entry.title)
    };
    let schema = entry.parameters.iter().find(|parameter| parameter.name == *size).map(|parameter| &parameter.schema);
    let most = schema.and_then(|schema| schema.get("maximum")).and_then(Value::as_u64).unwrap_or(SIZE);
    let size = most.min(SIZE);
    let full = ITEMS.div_ceil(usize::try_from(size).unwrap());
    // Where nothing in an answer says that it is the last one, an empty page does.
    let told = match entry.paging.as_ref().unwrap() {
        Paging::Cursor { .. } => true,
        Paging::Page { more, total, .. } => more.is_some() || total.is_some(),
        Paging::Offset { total, .. } => total.is_some(),
        Paging::Window { .. } => false,
    };
    (size, full + usize::from(!told))
}

fn ended(ran: &Ran) -> Result<(), String> {
    if ran.code == Some(0) { Ok(()) } else { Err(format!("{ran:?}")) }
}

/// A task that was in hand when three processes ended is parked for a person, who lets it go on.
fn let_parked_go_on(world: &World) -> Result<(), String> {
    let failed = world.run(&["tasks", "list", "--state", "failed", "--limit", "1000", "--json"]);
    for task in failed.json().as_array().unwrap() {
        if task["problem"]["code"] != "claimed_too_often" {
            return Err(format!("a task failed: {task}"));
        }
        ended(&world.run(&["tasks", "retry", &task["id"].to_string()]))?;
    }
    Ok(())
}

/// Walks a list with a process for each page; what is wrong with what came.
fn walk(runtime: &Runtime, entry: &Entry) -> Result<(), String> {
    let world = World::new();
    let ledger = world.path("ledger.jsonl");
    // Long work stands still, so that an item says the same whenever it is shown.
    let clock = Clock::by_hand(Arc::default());
    let options = Options { ledger: Some(ledger.clone()), examples: ITEMS, clock, ..Options::default() };
    let running = runtime.block_on(simulator::start(options)).unwrap();
    let mut shelf = Shelf { entry, url: running.url().to_owned(), slots: BTreeMap::new() };
    shelf.fill()?;
    let asked = || lines(&ledger).into_iter().filter(|line| line.get("method").is_some());
    let before = asked().count();
    let (size, pages) = pages(entry);
    world.write("flow.yaml", shelf.definitions(size));
    let run = |arguments: &[&str], crash: bool| {
        let mut command = world.command(arguments);
        command.envs(crash.then_some(("TRAMONTANE_CRASH_AT", "after_page:1")));
        Ran::of(command.output().unwrap())
    };
    ended(&run(&["apply", "flow.yaml"], false))?;
    for page in 0..pages {
        let ran = run(&["run", "list"], true);
        if ran.code.is_some() {
            return Err(format!("page {page} of {pages} was not committed: {ran:?}"));
        }
    }
    // The last page left tasks behind; the run that ends them is told to take in no more.
    let rest = || run(&["run", "list", "--limit", "0"], false);
    let mut last = rest();
    if last.code == Some(6) {
        let_parked_go_on(&world)?;
        last = rest();
    }
    ended(&last)?;
    let requests: Vec<String> = asked().skip(before).map(|line| line.to_string()).collect();
    runtime.block_on(running.stop());
    let came: Vec<String> = lines(&world.path("out.jsonl")).iter().map(Value::to_string).collect();
    let distinct: BTreeSet<&String> = came.iter().collect();
    if (came.len(), distinct.len()) != (ITEMS, ITEMS) {
        return Err(format!("{} items came, {} distinct ones", came.len(), distinct.len()));
    }
    if requests.len() != pages {
        return Err(format!("{} requests for {pages} pages: {requests:#?}", requests.len()));
    }
    Ok(())
}

#[test]
fn each_item_comes_once_however_often_the_walk_is_cut() {
    let mut lists: Vec<&Entry> = catalogue().operations.iter().filter(|entry| entry.paging.is_some()).collect();
    assert_eq!(lists.len(), 44);
    for (list, _, _) in MADE_BY {
        assert!(lists.iter().any(|entry| entry.path == list), "{list} is no list");
    }
    // Connectors take the simulator longest to make: they begin, so that nobody waits for them at the end.
    lists.sort_by_key(|entry| entry.path != "/v1/connectors");
    let runtime = Runtime::new().unwrap();
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(entry) = lists.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let walked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| walk(&runtime, entry)));
                    let why = match walked {
                        Ok(Ok(())) => continue,
                        Ok(Err(why)) => why,
                        Err(_) => "the test panicked".to_owned(),
                    };
                    wrong.lock().unwrap().push(format!("{} {}: {why}", entry.method.as_str(), entry.path));
                }
            });
        }
    });
    let mut wrong = wrong.into_inner().unwrap();
    wrong.sort();
    assert!(wrong.is_empty(), "{} of {} lists:\n{}", wrong.len(), lists.len(), wrong.join("\n"));
}
