//! The roles: every route of the router, made from its own document, asked by everybody there can be.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails; tests start processes"
)]

mod world;

use serde_json::{Value, json};
use world::World;
use world::contract::{committed, operations};
use world::serving::Serving;

const FLOW: &str = r#"
incoming:
  rows: { subscriber: { type: inline, payloads: [{ n: 1 }] } }
outgoing:
  nothing: { publisher: { type: none } }
routes:
  fine: { incoming: rows, outgoing: nothing }
"#;
const ROLES: [&str; 4] = ["viewer", "operator", "editor", "admin"];
/// What answers without asking who comes.
const PUBLIC: [&str; 2] = ["POST /session", "POST /setup"];

fn serve(world: &World) -> Serving {
    world.write("flow.yaml", FLOW);
    world.run(&["apply", "flow.yaml"]).expect(0);
    world.run(&["run", "rows"]);
    Serving::start(&mut world.command(&[]))
}

fn token(world: &World, name: &str, more: &[&str]) -> String {
    let mut arguments = vec!["tokens", "add", name, "--json"];
    arguments.extend(more);
    world.run(&arguments).expect(0).json()["token"].as_str().unwrap().to_owned()
}

/// Who comes: what they are, their token, and the rank of their role; `None`: they do not count.
fn callers(world: &World) -> Vec<(&'static str, String, Option<usize>)> {
    let mut callers = vec![
        ("nobody", String::new(), None),
        ("nonsense", "nonsense".to_owned(), None),
        ("a token that nobody has", format!("tramontane_{}", "A".repeat(43)), None),
    ];
    for (rank, role) in ROLES.into_iter().enumerate() {
        world.run(&["people", "add", role, "--role", role]).expect(0);
        callers.push((role, token(world, role, &[]), Some(rank)));
    }
    callers.push(("an admin's token for looking", token(world, "admin", &["--role", "viewer"]), Some(0)));
    callers.push(("a viewer's token for everything", token(world, "viewer", &["--role", "admin"]), Some(0)));
    callers.push(("a token that is over", token(world, "admin", &["--expires", "1ms"]), None));
    world.run(&["people", "add", "gone", "--role", "admin"]).expect(0);
    callers.push(("somebody disabled", token(world, "gone", &[]), None));
    world.run(&["people", "disable", "gone"]).expect(0);
    let deleted = token(world, "admin", &["--label", "deleted"]);
    let tokens = world.run(&["tokens", "list", "--json"]).expect(0).json();
    let id = tokens.as_array().unwrap().iter().find(|token| token["label"] == "deleted").unwrap()["id"].to_string();
    world.run(&["tokens", "delete", &id]).expect(0);
    callers.push(("a token that was deleted", deleted, None));
    callers
}

#[test]
fn every_route_asks_for_its_role() {
    let world = World::new();
    let serving = serve(&world);
    let document = world.run(&["openapi"]).expect(0).json();
    let callers = callers(&world);
    let mut denied = 0;
    for operation in operations(&document) {
        let (method, path) = (operation.method.as_str(), operation.path.as_str());
        let Some(role) = &operation.role else { continue };
        let needed = ROLES.iter().position(|one| one == role).unwrap();
        for (who, token, rank) in &callers {
            let authorization = format!("Bearer {token}");
            let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
            let body: &[u8] = if operation.takes_body { b"{}" } else { b"" };
            let (status, answer) = serving.send(method, path, &headers, body);
            let said = format!("{method} {path} by {who}: {status} {answer}");
            match rank {
                None => assert_eq!((status, &answer["code"]), (401, &json!("unauthorised")), "{said}"),
                Some(rank) if *rank < needed => {
                    assert_eq!((status, &answer["code"]), (403, &json!("forbidden")), "{said}");
                }
                // It is served, and what is wrong with an empty body or a name that is not there is said.
                Some(_) => assert!(status < 500 && !matches!(status, 0 | 401 | 403 | 405), "{said}"),
            }
            assert_ne!(answer["code"], "path_unknown", "{said}");
            let is_known = matches!(*who, "somebody disabled" | "a token that is over");
            denied += usize::from(is_known || rank.is_some_and(|rank| rank < needed));
        }
    }
    let admin = format!("Bearer {}", callers.iter().find(|caller| caller.0 == "admin").unwrap().1);
    let mut recorded = 0;
    let mut cursor = String::new();
    loop {
        let path = format!("/api/v1/audit?what=denied&limit=1000{cursor}");
        let (_, page) = serving.send("GET", &path, &[("authorization", &admin)], b"");
        let items = page["items"].as_array().unwrap();
        assert!(items.iter().all(|entry| entry["origin"] == "127.0.0.1"));
        recorded += items.len();
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(recorded, denied, "each denial of those who are known is recorded, and no other");
    serving.stop();
}

#[test]
fn what_is_public_is_a_short_list_and_everything_else_has_a_role() {
    let world = World::new();
    let document = world.run(&["openapi"]).expect(0).json();
    let all = operations(&document);
    let public: Vec<String> =
        all.iter().filter(|one| one.role.is_none()).map(|one| format!("{} {}", one.method, one.template)).collect();
    assert_eq!(public, PUBLIC);
    assert!(all.iter().filter_map(|one| one.role.as_deref()).all(|role| ROLES.contains(&role)));
}

#[test]
fn the_document_in_the_repository_is_what_the_router_says() {
    let world = World::new();
    let now = world.run(&["openapi"]).expect(0);
    assert!(now.stdout == committed(), "cargo xtask openapi writes it anew");
    assert_eq!(now.json()["openapi"], Value::from("3.1.0"));
}
