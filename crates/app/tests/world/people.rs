//! People at a serving process: their passwords, sessions and tokens.

use super::serving::{Answer, Serving, exchange};
use super::{Ran, World};
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::Stdio;

/// A password that may be one.
pub const PASSWORD: &str = "correct horse battery";

/// A person with a password.
pub fn with_password(world: &World, name: &str, role: &str) {
    world.run(&["people", "add", name, "--role", role]).expect(0);
    set_password(world, name, PASSWORD).expect(0);
}

/// Sets a password on the command line.
pub fn set_password(world: &World, name: &str, password: &str) -> Ran {
    let mut command = world.command(&["people", "password", name]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes()).unwrap();
    Ran::of(child.wait_with_output().unwrap())
}

/// Somebody's cookie, who has no password yet.
pub fn signed_in(world: &World, serving: &Serving, name: &str) -> String {
    set_password(world, name, PASSWORD).expect(0);
    cookie(&sign_in(serving, name, PASSWORD, None))
}

/// Signs in as a page of the server does.
pub fn sign_in(serving: &Serving, name: &str, password: &str, code: Option<&str>) -> Answer {
    let mut body = json!({ "name": name, "password": password });
    if let Some(code) = code {
        body["code"] = json!(code);
    }
    page(serving, "", "POST", "/api/v1/session", &body)
}

/// What a page of the server asks, with its cookie.
pub fn page(serving: &Serving, cookie: &str, method: &str, path: &str, body: &Value) -> Answer {
    let origin = format!("http://{}", serving.address);
    let headers = [
        ("content-type", "application/json"),
        ("x-tramontane", "1"),
        ("origin", &origin),
        ("sec-fetch-site", "same-origin"),
        ("user-agent", "A Browser/1.0"),
        ("cookie", cookie),
    ];
    let headers = if cookie.is_empty() { &headers[..5] } else { &headers[..] };
    let body = if body.is_null() { String::new() } else { body.to_string() };
    exchange(&serving.address, method, path, headers, body.as_bytes()).unwrap()
}

/// What a program asks, with its token.
pub fn program(serving: &Serving, token: &str, method: &str, path: &str, body: &Value) -> Answer {
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    exchange(&serving.address, method, path, &headers, body.as_bytes()).unwrap()
}

/// The cookie that an answer sets, as it is sent back.
#[track_caller]
pub fn cookie(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    let [set] = answer.headers("set-cookie")[..] else { panic!("{answer:?}") };
    set.split(';').next().unwrap().to_owned()
}

/// A token that the command line makes.
pub fn token(world: &World, name: &str, more: &[&str]) -> String {
    let arguments = [&["tokens", "add", name, "--json"], more].concat();
    world.run(&arguments).expect(0).json()["token"].as_str().unwrap().to_owned()
}
