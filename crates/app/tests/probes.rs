//! Requests that have led around sign-in elsewhere: tables in `tests/probes`, which can grow. None gets through.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails; tests start processes"
)]

mod world;

use serde_json::json;
use world::World;
use world::serving::{Serving, exchange};

const PATHS: &str = include_str!("probes/paths.tsv");
const HEADERS: &str = include_str!("probes/headers.tsv");
const SITES: &str = include_str!("probes/sites.tsv");
/// Something that nobody but administrators sees, in the answers of the routes that are asked here.
const CANARY: &str = "canary-of-the-people";

/// Lines of a table, but for its remarks, as cells.
fn table(text: &str) -> Vec<Vec<&str>> {
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| line.split('\t').collect())
        .collect()
}

/// Headers of a cell, with what stands in it for others put in.
fn headers(cell: &str, address: &str, path: &str) -> Vec<(String, String)> {
    let port = address.rsplit(':').next().unwrap();
    let cell = cell.replace("{a}", address).replace("{p}", path).replace("{port}", port);
    let cell = cell.replace("{long}", &"A".repeat(8_000)).replace("{tab}", "\t");
    let pair = |header: &str| {
        let (name, value) = header.split_once(':').unwrap();
        (name.to_owned(), value.trim_start().to_owned())
    };
    cell.split('^').map(pair).collect()
}

fn borrowed(headers: &[(String, String)]) -> Vec<(&str, &str)> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn serve(world: &World) -> Serving {
    world.run(&["people", "add", CANARY, "--role", "admin"]).expect(0);
    world.run(&["tokens", "add", CANARY, "--label", CANARY, "--json"]).expect(0);
    Serving::start(&mut world.command(&[]))
}

#[test]
fn no_form_of_a_request_goes_around_the_question_who_asks() {
    let world = World::new();
    let serving = serve(&world);
    let routes = [("GET", "people"), ("GET", "tokens"), ("GET", "audit/export"), ("GET", "tasks"), ("POST", "runs")];
    let mut probes = 0;
    for (method, route) in routes {
        let path = format!("/api/v1/{route}");
        let with_path = table(PATHS).into_iter().map(|cells| (cells[0], cells[1], Vec::new()));
        let with_headers =
            table(HEADERS).into_iter().map(|cells| (cells[0], "{p}", headers(cells[1], &serving.address, &path)));
        for (name, form, headers) in with_path.chain(with_headers) {
            let form = form.replace("{p}", &path).replace("{r}", route).replace("{a}", &serving.address);
            let answer = exchange(&serving.address, method, &form, &borrowed(&headers), b"{}").unwrap();
            let refused = matches!(answer.status, 400 | 401 | 404 | 405 | 414 | 421 | 431);
            assert!(refused, "{name}: {method} {form} {headers:?}: {answer:?}");
            assert!(!answer.body.contains(CANARY), "{name}: {method} {form}: {answer:?}");
            probes += 1;
        }
    }
    assert!(probes >= 150 * routes.len(), "{probes}");
    assert_eq!(serving.send("GET", "/healthz", &[], b"").0, 200, "and it lives");
    serving.stop();
}

/// What a page of somebody else makes a browser send changes nothing and shows nothing, and is never allowed by a header.
#[test]
fn only_pages_of_this_server_change_anything_for_who_is_signed_in() {
    let world = World::new();
    let serving = serve(&world);
    let cookie = world::people::signed_in(&world, &serving, CANARY);
    let path = "/api/v1/settings/environment";
    let mut wrong = Vec::new();
    let name = || world.run(&["environment", "show", "--json"]).expect(0).json()["name"].clone();
    for (number, cells) in table(SITES).into_iter().enumerate() {
        let [what, expected, method, sent] = cells[..] else { panic!("{cells:?}") };
        let mut headers = headers(sent, &serving.address, path);
        headers.push(("cookie".to_owned(), cookie.clone()));
        if !headers.iter().any(|(name, _)| name == "content-type") {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        // Forms and what deletes are sent where they would do something.
        let path = match method {
            "POST" => format!("/api/v1/people/{CANARY}/link"),
            "DELETE" => format!("/api/v1/people/{CANARY}/factor"),
            "PATCH" => format!("/api/v1/people/{CANARY}"),
            _ => path.to_owned(),
        };
        let before = name();
        let body = json!({ "name": format!("by {number}"), "colour": "red" }).to_string();
        let answer = exchange(&serving.address, method, &path, &borrowed(&headers), body.as_bytes()).unwrap();
        if answer.status.to_string() != expected {
            wrong.push(format!("{what}: {answer:?}"));
        }
        assert!(!answer.head.to_ascii_lowercase().contains("access-control-"), "{what}: {answer:?}");
        let is_changed = name() != before;
        assert_eq!(is_changed, (method, expected) == ("PUT", "200"), "{what}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let audit = world.run(&["audit", "list", "--what", "link.add", "--who", CANARY, "--json"]).expect(0).json();
    assert_eq!(audit, json!([]), "nor was any link made");
    serving.stop();
}

/// Nobody signs somebody else in from another site, and nobody who is not known asks for health or a webhook by a name
/// that is not ours.
#[test]
fn what_is_public_is_for_pages_of_this_server_and_under_its_names() {
    let world = World::new();
    let serving = serve(&world);
    let body = json!({ "name": CANARY, "password": "correct horse battery" }).to_string();
    let json = ("content-type", "application/json");
    let foreign = [json, ("origin", "http://evil.example"), ("sec-fetch-site", "cross-site"), ("x-tramontane", "1")];
    for path in ["/api/v1/session", "/api/v1/setup"] {
        for headers in [&foreign[..], &foreign[..1], &foreign[3..]] {
            let answer = exchange(&serving.address, "POST", path, headers, body.as_bytes()).unwrap();
            assert_eq!(answer.status, 403, "{path} {headers:?}: {answer:?}");
            assert_eq!(answer.headers("set-cookie"), Vec::<&str>::new());
        }
    }
    for path in ["/healthz", "/readyz", "/webhooks/x", "/api/v1/me", "/nothing"] {
        let answer = exchange(&serving.address, "GET", path, &[("host", "evil.example")], b"").unwrap();
        assert_eq!((answer.status, &answer.json()["code"]), (421, &json!("host_unknown")), "{path}: {answer:?}");
    }
    serving.stop();
    let serving = Serving::start(world.command(&[]).env("TRAMONTANE_HOSTS", "one.example,two.example"));
    for (host, status) in [("one.example", 200), ("TWO.example:8080", 200), ("three.example", 421)] {
        assert_eq!(exchange(&serving.address, "GET", "/healthz", &[("host", host)], b"").unwrap().status, status);
    }
    serving.stop();
}
