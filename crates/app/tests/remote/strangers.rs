//! Who may not is refused, and what is no server of ours learns nothing and is not believed.

use crate::desk::{Desk, ROLES, at, code};
use crate::world::World;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

/// What needs a role, and the least one.
const NEEDS: &[(&str, &str)] = &[
    ("plan flow.yaml", "viewer"),
    ("export", "viewer"),
    ("schedules list", "viewer"),
    ("usage", "viewer"),
    ("tokens list", "viewer"),
    ("environment show", "viewer"),
    ("tasks list", "viewer"),
    ("tasks show 2", "viewer"),
    ("activities list", "viewer"),
    ("storages list", "viewer"),
    ("storages get seen a/b", "viewer"),
    ("alerts list", "viewer"),
    ("models list", "viewer"),
    ("tasks retry 4", "operator"),
    ("storages set seen a 1", "operator"),
    ("webhooks", "operator"),
    ("alerts mute failures", "operator"),
    ("schedules pause nightly", "operator"),
    ("schedules resume nightly", "operator"),
    ("try routes describe --sample {\"n\":7}", "operator"),
    ("run rows", "operator"),
    ("apply flow.yaml", "editor"),
    ("people list", "admin"),
    ("people add new --role viewer", "admin"),
    ("people disable new", "admin"),
    ("people enable new", "admin"),
    ("people link new", "admin"),
    ("tokens add new", "admin"),
    ("audit list", "admin"),
    ("secrets list", "admin"),
    ("audit export", "admin"),
    ("environment set other", "admin"),
];

#[test]
fn each_role_may_what_it_may() {
    let desk = Desk::new();
    for (line, least) in NEEDS {
        let arguments: Vec<&str> = line.split(' ').chain(["--json"]).collect();
        let least = ROLES.iter().position(|role| role == least).unwrap();
        for (rank, role) in ROLES.into_iter().enumerate() {
            let ran = desk.through_as(role, &arguments);
            if rank < least {
                assert_eq!((ran.code, code(&ran)), (Some(3), "forbidden".to_owned()), "{line} by {role}: {ran:?}");
            } else if ran.code != Some(0) {
                // Somebody before them has done it, and it may still be under way.
                assert!(
                    line.starts_with("tasks retry") && code(&ran) == "decision_misfit",
                    "{line} by {role}: {ran:?}"
                );
            }
        }
    }
    desk.serving.stop();
}

/// What looks at the machine, or at what only it has.
const MACHINE: &[&str] = &[
    "serve",
    "backup copy",
    "restore copy",
    "doctor",
    "store copy --from a --to b",
    "prune",
    "demo",
    "catalogue list",
    "call List-Models",
    "prices list",
    "simulator check --ledger a",
    "people password ann",
    "secrets rotate",
    "secrets check",
    "models check",
    "tasks retry 1 --from-answer",
    "plan --against http://127.0.0.1:1",
];
/// What asks neither.
const NOTHING: &[&str] = &["entities", "openapi", "completion bash", "man"];

#[test]
fn what_needs_the_machine_is_refused_and_what_needs_nothing_says_so() {
    let world = World::new();
    // Nobody is asked: there is nobody.
    let through = |line: &str| {
        let arguments: Vec<&str> = line.split(' ').chain(["--json"]).collect();
        at(&world, "http://127.0.0.1:1", "a-token", &arguments)
    };
    for line in MACHINE {
        let ran = through(line).expect(3);
        assert_eq!(code(&ran), "not_through_server", "{line}");
        assert!(ran.json()["problems"][0]["hint"].is_string(), "{line}");
    }
    for line in NOTHING {
        let ran = through(line).expect(0);
        assert!(ran.stderr.contains("--server is not used"), "{line}: {}", ran.stderr);
        assert!(!ran.stdout.is_empty(), "{line}");
    }
}

#[test]
fn who_is_not_let_in_is_told_why() {
    let desk = Desk::new();
    let wrong = [
        ("nonsense", 3, "unauthorised"),
        ("tramontane_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 3, "unauthorised"),
        ("", 3, "token_missing"),
        ("a\nb", 4, "key_wrong"),
    ];
    for (token, exit, expected) in wrong {
        let ran = at(&desk.world, &desk.url(), token, &["people", "list", "--json"]).expect(exit);
        assert_eq!(code(&ran), expected, "{token:?}");
    }
    let addresses = [
        ("http://127.0.0.1:1", 4, "connect_failed"),
        ("127.0.0.1:8420", 3, "base_uri_wrong"),
        ("ftp://127.0.0.1", 3, "base_uri_wrong"),
        ("http://ann:secret@127.0.0.1", 3, "base_uri_wrong"),
        // Another thing than the API answers below this path.
        (&format!("{}/healthz", desk.url()), 6, "answer_strange"),
    ];
    for (url, exit, expected) in addresses {
        let ran = at(&desk.world, url, "a-token-that-is-told-nobody", &["usage", "--json"]).expect(exit);
        assert_eq!(code(&ran), expected, "{url}");
    }
    // Nobody listens there either; but others might read along on the way.
    let ran = at(&desk.world, "http://0.0.0.0:1", "a-token", &["usage", "--json"]).expect(4);
    assert!(ran.stderr.contains("[token_in_the_open]"), "{}", ran.stderr);
    desk.serving.stop();
}

/// Answers the first request with these bytes, and tells what came.
fn stranger(answer: String) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (send, came) = channel();
    std::thread::spawn(move || {
        let Ok((mut socket, _)) = listener.accept() else { return };
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") && socket.read(&mut byte).is_ok_and(|read| read == 1) {
            head.push(byte[0]);
        }
        let _ = socket.write_all(answer.as_bytes());
        let _ = send.send(String::from_utf8_lossy(&head).into_owned());
    });
    (url, came)
}

fn answer(status: &str, media: &str, more: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-type: {media}\r\ncontent-length: {}\r\n{more}\r\n{body}", body.len())
}

fn problem(status: u16, code: &str, more: &str) -> String {
    let body = format!(
        r#"{{"type":"/docs/errors/{code}","status":{status},"code":"{code}","title":"it is so","place":null,"hint":null}}"#
    );
    answer(&status.to_string(), "application/problem+json", more, &body)
}

#[test]
fn what_is_no_server_of_ours_is_not_believed() {
    let world = World::new();
    world.write("flow.yaml", "storages: { seen: {} }");
    let (trap, trapped) = stranger(answer("200 OK", "application/json", "", r#"{"items":[]}"#));
    let (json, html) = ("application/json", "text/html");
    let page = "<!doctype html><title>Hello</title>";
    let away = format!("location: {trap}/api/v1/usage\r\n");
    let cases: [(&str, String, i32, &str); 16] = [
        ("usage", answer("200 OK", html, "", page), 6, "answer_strange"),
        ("usage", answer("200 OK", json, "", "{}"), 6, "answer_strange"),
        ("usage", answer("200 OK", json, "", r#"{"items": 1}"#), 6, "answer_strange"),
        ("usage", answer("200 OK", json, "", ""), 6, "answer_strange"),
        ("usage", answer("404 Not Found", html, "", page), 6, "answer_strange"),
        ("usage", answer("401 Unauthorized", json, "", r#"{"message":"no"}"#), 6, "answer_strange"),
        ("usage", answer("502 Bad Gateway", html, "", page), 6, "answer_strange"),
        ("usage", answer("302 Found", json, &away, "{}"), 6, "answer_strange"),
        ("usage", answer("307 Temporary Redirect", json, &away, "{}"), 6, "answer_strange"),
        ("usage", String::new(), 6, "connection_lost"),
        ("usage", "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{".to_owned(), 6, "answer_cut"),
        ("apply flow.yaml", String::new(), 7, "connection_lost"),
        ("usage", problem(429, "too_many", "retry-after: 7\r\n"), 5, "too_many"),
        ("usage", problem(503, "store_unavailable", ""), 6, "store_unavailable"),
        ("usage", problem(409, "run_open", ""), 3, "run_open"),
        ("export", answer("200 OK", html, "", page), 6, "answer_strange"),
    ];
    for (line, said, exit, expected) in cases {
        let (url, came) = stranger(said.clone());
        let arguments: Vec<&str> = line.split(' ').chain(["--json"]).collect();
        let ran = at(&world, &url, "a-token-for-this-server", &arguments).expect(exit);
        assert_eq!(code(&ran), expected, "{said}");
        let head = came.recv().unwrap();
        assert!(head.contains("\r\nauthorization: Bearer a-token-for-this-server\r\n"), "{head}");
    }
    assert!(trapped.try_recv().is_err(), "a redirect was followed");
}
