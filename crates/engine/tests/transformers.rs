//! Transformers as people see them: cases from `transformers/<name>.yaml`, bounds, and properties.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "transformers/attacks.rs"]
mod attacks;
#[path = "transformers/bounds.rs"]
mod bounds;
#[path = "transformers/cases.rs"]
mod cases;
#[path = "transformers/chains.rs"]
mod chains;
#[path = "transformers/properties.rs"]
mod properties;

use engine::transformers::{Chain, parts};
use model::definition::Part;
use model::{Problem, Registry, TransformContext};
use serde_json::{Value, json};

/// 2023-11-14T22:13:20.5Z.
fn context() -> TransformContext {
    TransformContext::at(1_700_000_000_500)
}

fn registry() -> Registry {
    Registry::default().transformers(parts())
}

fn part(kind: &str, options: Value) -> Part {
    let Value::Object(options) = options else { panic!("options of {kind} are an object") };
    Part { kind: kind.to_owned(), options }
}

fn chain(parts: &[Part]) -> Result<Chain, Vec<Problem>> {
    Chain::compile(parts, &registry())
}

fn jq(filter: &str, payload: Value) -> Result<Vec<Value>, Problem> {
    let chain = chain(&[part("jq", json!({ "filter": filter }))]).unwrap_or_else(|problems| panic!("{problems:?}"));
    chain.apply(payload, &mut context())
}
