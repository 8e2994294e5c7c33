//! Transformers after each other.

use crate::crash;
use model::definition::Part;
use model::{Problem, Registry, Transform, TransformContext, suggest};
use serde_json::Value;
use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The most payloads that one may become.
pub const MAX_PAYLOADS: usize = 100_000;

/// The most bytes, about, that all payloads of one may have together.
pub const MAX_BYTES: usize = 256 << 20;

/// Looks on while a payload goes from transformer to transformer.
pub trait Watch {
    /// The transformer at this place is about to get these.
    fn before(&mut self, at: usize, payloads: &[Value]);
    /// It made these.
    fn after(&mut self, at: usize, payloads: &[Value]);
}

/// Nobody looks on.
struct Unwatched;

impl Watch for Unwatched {
    fn before(&mut self, _: usize, _: &[Value]) {}
    fn after(&mut self, _: usize, _: &[Value]) {}
}

/// A list of transformers, ready to run: what one makes, the next one takes.
pub struct Chain {
    transforms: Vec<Box<dyn Transform>>,
}

impl Chain {
    /// Compiles a list of transformers.
    ///
    /// # Errors
    /// Everything that is wrong with them, places relative to the list: `[2].filter`.
    pub fn compile(parts: &[Part], registry: &Registry) -> Result<Self, Vec<Problem>> {
        let mut transforms = Vec::with_capacity(parts.len());
        let mut problems = Vec::new();
        for (at, part) in parts.iter().enumerate() {
            let compiled = match registry.transformers.get(part.kind.as_str()) {
                Some(transformer) => transformer.compile(&Value::Object(part.options.clone())),
                None => Err(vec![unknown(&part.kind, registry)]),
            };
            match compiled {
                Ok(transform) => transforms.push(transform),
                Err(more) => problems.extend(more.into_iter().map(|problem| problem.within(&format!("[{at}]")))),
            }
        }
        if problems.is_empty() { Ok(Self { transforms }) } else { Err(problems) }
    }

    /// Whether there is no transformer in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.transforms.is_empty()
    }

    /// Whether a transformer in it reads or writes a storage.
    #[must_use]
    pub fn uses_storages(&self) -> bool {
        self.transforms.iter().any(|transform| transform.storage().is_some())
    }

    /// What a payload becomes: none, one or many, in order.
    ///
    /// # Errors
    /// The problem of the transformer that failed; its place starts with that transformer's index (`[2]/items/0`).
    /// `too_many_payloads` and `payloads_too_large` where one payload became too much, `transformer_panicked` where a
    /// transformer is broken.
    pub fn apply(&self, payload: Value, context: &mut TransformContext) -> Result<Vec<Value>, Problem> {
        self.apply_watched(payload, context, &mut Unwatched)
    }

    /// As [`Chain::apply`], while somebody looks on. Where a transformer fails, nothing is seen after it.
    ///
    /// # Errors
    /// As [`Chain::apply`].
    pub fn apply_watched(
        &self,
        payload: Value,
        context: &mut TransformContext,
        watch: &mut impl Watch,
    ) -> Result<Vec<Value>, Problem> {
        let at = Cell::new(0);
        let run = AssertUnwindSafe(|| {
            let mut payloads = vec![payload];
            for (index, transform) in self.transforms.iter().enumerate() {
                at.set(index);
                watch.before(index, &payloads);
                payloads = step(&**transform, payloads, context)?;
                watch.after(index, &payloads);
            }
            Ok(payloads)
        });
        let result = catch_unwind(run).unwrap_or_else(|panic| Err(panicked(&*panic)));
        result.map_err(|problem: Problem| problem.within(&format!("[{}]", at.get())))
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain").field("transforms", &self.transforms.len()).finish()
    }
}

fn step(
    transform: &dyn Transform,
    payloads: Vec<Value>,
    context: &mut TransformContext,
) -> Result<Vec<Value>, Problem> {
    let mut made = Vec::with_capacity(payloads.len());
    let mut bytes = 0;
    for payload in payloads {
        crash::panic_on(|| payload.to_string());
        let mut more = transform.apply(payload, context)?;
        if made.len() + more.len() > MAX_PAYLOADS {
            let reason = format!("one payload became more than {MAX_PAYLOADS}");
            return Err(Problem::new("too_many_payloads", reason));
        }
        if made.len() + more.len() > 1 {
            bytes += more.iter().map(size).sum::<usize>();
        }
        if bytes > MAX_BYTES {
            let reason = format!("one payload became payloads of more than {} MiB", MAX_BYTES >> 20);
            return Err(Problem::new("payloads_too_large", reason));
        }
        made.append(&mut more);
    }
    Ok(made)
}

/// About how many bytes a value takes in memory.
fn size(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
            Value::String(text) => text.len(),
            Value::Array(list) => list.iter().map(size).sum(),
            Value::Object(map) => map.iter().map(|(key, value)| key.len() + size_of::<String>() + size(value)).sum(),
        }
}

fn unknown(kind: &str, registry: &Registry) -> Problem {
    let known = registry.transformers.keys().copied();
    let list = known.clone().collect::<Vec<_>>().join(", ");
    let hint = match suggest::nearest(kind, known) {
        Some(near) => format!("did you mean \"{near}\"? known are: {list}"),
        None => format!("known are: {list}"),
    };
    Problem::new("unknown_transformer", format!("there is no transformer \"{kind}\"")).at("type").hint(hint)
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Problem {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    let reason = format!("the transformer is broken: {}", text.unwrap_or("it panicked"));
    Problem::new("transformer_panicked", reason)
        .hint("this is a fault of the engine, not of the data; please report it")
}
