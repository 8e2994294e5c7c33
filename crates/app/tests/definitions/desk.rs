//! A serving process with somebody of each role before it.

use crate::world::World;
use crate::world::serving::Serving;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;

pub(crate) struct Desk {
    pub(crate) world: World,
    pub(crate) serving: Serving,
    tokens: BTreeMap<&'static str, String>,
}

impl Desk {
    /// A server with these definitions.
    pub(crate) fn with(flow: &str) -> Self {
        let world = World::new();
        world.write("flow.yaml", flow);
        world.run(&["apply", "flow.yaml"]).expect(0);
        let serving = Serving::start(&mut world.command(&[]));
        Self::over(world, serving)
    }

    /// Somebody of each role, and `blind`: an editor who may not see payloads.
    pub(crate) fn over(world: World, serving: Serving) -> Self {
        let mut tokens = BTreeMap::new();
        for who in ["viewer", "operator", "editor", "admin", "blind"] {
            let role = if who == "blind" { "editor" } else { who };
            let mut add = vec!["people", "add", who, "--role", role];
            if who == "blind" {
                add.push("--no-payloads");
            }
            world.run(&add).expect(0);
            let made = world.run(&["tokens", "add", who, "--json"]).expect(0).json();
            tokens.insert(who, made["token"].as_str().unwrap().to_owned());
        }
        Self { world, serving, tokens }
    }

    pub(crate) fn token(&self, who: &str) -> &str {
        &self.tokens[who]
    }

    pub(crate) fn send(
        &self,
        who: &str,
        method: &str,
        path: &str,
        more: &[(&str, &str)],
        body: &Value,
    ) -> (u16, Value) {
        let authorization = format!("Bearer {}", self.tokens[who]);
        let mut headers = vec![("authorization", authorization.as_str()), ("content-type", "application/json")];
        headers.extend(more);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.serving.send(method, &format!("/api/v1{path}"), &headers, body.as_bytes())
    }

    #[track_caller]
    pub(crate) fn get(&self, who: &str, path: &str) -> Value {
        let (status, answer) = self.send(who, "GET", path, &[], &Value::Null);
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    pub(crate) fn post(&self, who: &str, path: &str, body: &Value) -> (u16, Value) {
        self.send(who, "POST", path, &[], body)
    }

    pub(crate) fn put(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> (u16, Value) {
        self.send("editor", "PUT", path, headers, body)
    }

    /// An answer that is no JSON.
    pub(crate) fn text(&self, who: &str, path: &str) -> String {
        let mut socket = TcpStream::connect(&self.serving.address).unwrap();
        let token = &self.tokens[who];
        let asked = format!(
            "GET /api/v1{path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n"
        );
        socket.write_all(asked.as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        crate::world::contract::judge("GET", &format!("/api/v1{path}"), 200, head, body);
        body.to_owned()
    }
}
