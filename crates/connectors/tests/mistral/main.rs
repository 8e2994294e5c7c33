//! The Mistral connector, from outside.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]
#![allow(
    clippy::needless_pass_by_value,
    clippy::type_complexity,
    reason = "tables of JSON literals read best this way"
)]

mod answers;
mod building;
mod choices;
mod choosing;
mod custom;
mod every_operation;
mod mapped;
mod mistakes;
mod normal;
mod pages;
mod preflight;
mod roundtrip;
mod traversal;
mod usage;

use connectors::mistral::catalogue::catalogue;
use connectors::mistral::prices::Prices;
use connectors::openapi::catalogue::{Entry, Method};
use model::{Connector, HttpAnswer, Operation, Problem, Request, Side};
use serde_json::{Value, json};
use std::sync::Arc;

/// The connector with the shipped prices.
fn connector() -> Arc<dyn Connector> {
    connectors::mistral::connector(Prices::shipped())
}

/// The operation with a title, as a publisher.
fn operation(method: &str, title: &str) -> Arc<dyn Operation> {
    connector().operation(Side::Publisher, &json!({"method": method, "entity": title})).unwrap_or_else(|problems| {
        panic!("{method} {title}: {problems:?}");
    })
}

fn entry(method: Method, path: &str) -> &'static Entry {
    catalogue().by_signature(method, path).unwrap_or_else(|| panic!("no {method:?} {path}"))
}

fn request(value: Value) -> Request {
    Request::from_value(value).unwrap()
}

/// `code place`, sorted.
fn codes(problems: &[Problem]) -> Vec<String> {
    let mut codes: Vec<String> = problems.iter().map(|problem| format!("{} {}", problem.code, problem.place)).collect();
    codes.sort_unstable();
    codes
}

fn answer(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> HttpAnswer {
    HttpAnswer {
        status,
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        body: bytes::Bytes::copy_from_slice(body.as_ref()),
        kept: None,
        truncated: false,
    }
}
