//! The jq language, bounded: a filter sees one payload and the engine's time, and always ends.

#[cfg(test)]
mod attack_tests;
#[cfg(test)]
mod bounds_tests;
mod budget;
mod compile;
mod funs;
mod json;
mod measure;
mod ops;
mod term;
mod value;

use budget::{Limits, Stop};
use jaq_core::data::{DataT, HasLut};
use jaq_core::{Ctx, Filter, Lut, Vars};
use model::{Millis, Problem};
use serde_json::Value;
use std::fmt;

pub(crate) use compile::compile;

/// Steps of a run: about a second of work. A payload of 100,000 items has 100 for each.
const MAX_STEPS: u64 = 10_000_000;

/// Bytes of all values that a run makes.
const MAX_BYTES: u64 = 256 << 20;

/// The most outputs of a run.
pub(crate) const MAX_OUTPUTS: usize = 100_000;

/// Steps that a run may take on the stack it was called on. Most filters need a hundred.
const FIRST_STEPS: u64 = 5_000;

/// Stack without which a run is not even tried where it was called.
const FIRST_STACK: usize = 768 << 10;

/// The stack of a longer run. It is only touched as far as it is used, and lets a filter call itself some thousand deep.
const STACK: usize = 64 << 20;

/// What must remain of it at any time: room to free a chain of twenty thousand links (see [`funs::DEAR`]), each in a
/// call of the one before. Without optimisation that takes more than a KiB a link.
const ROOM: usize = 32 << 20;

/// What the interpreter works with.
pub(crate) struct Jq;

impl DataT for Jq {
    type V<'a> = value::V;
    type Data<'a> = Known<'a>;
}

/// What native filters know besides their input.
#[derive(Clone, Copy)]
pub(crate) struct Known<'a> {
    lut: &'a Lut<Jq>,
    now: Millis,
}

impl<'a> HasLut<'a, Jq> for Known<'a> {
    fn lut(&self) -> &'a Lut<Jq> {
        self.lut
    }
}

/// A compiled filter.
pub(crate) struct Program {
    filter: Filter<Jq>,
    stack: usize,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program").finish_non_exhaustive()
    }
}

impl Program {
    /// All outputs for a payload.
    ///
    /// # Errors
    /// `jq_failed` where the filter raised an error, `jq_too_costly` where it passed a bound, `jq_not_json` where an
    /// output is no JSON, `too_deep` where the payload is nested too deep.
    pub(crate) fn run(&self, payload: &Value, now: Millis) -> Result<Vec<Value>, Problem> {
        self.run_within(payload, now, MAX_STEPS)
    }

    fn run_within(&self, payload: &Value, now: Millis, steps: u64) -> Result<Vec<Value>, Problem> {
        let first = Limits { steps: FIRST_STEPS, bytes: MAX_BYTES, stack: self.stack };
        let enough = stacker::remaining_stack().is_some_and(|rest| rest > FIRST_STACK.max(2 * self.stack));
        if enough {
            match budget::within(first, || self.outputs(payload, now)) {
                // A longer run starts anew with stack enough for anything it may do; filters change nothing outside.
                Err(Stop::Steps | Stop::Stack) => {}
                Err(stop) => return Err(stopped(stop)),
                Ok(outputs) => return outputs,
            }
        }
        let all = Limits { steps, stack: ROOM + self.stack, ..first };
        stacker::grow(STACK, || budget::within(all, || self.outputs(payload, now)).map_err(stopped)?)
    }

    fn outputs(&self, payload: &Value, now: Millis) -> Result<Vec<Value>, Problem> {
        let Some(input) = json::read(payload) else { return Err(stopped(Stop::Depth)) };
        let context = Ctx::<Jq>::new(Known { lut: &self.filter.lut, now }, Vars::new([]));
        let mut outputs = Vec::new();
        for output in self.filter.id.run((context, input)) {
            let value = output.map_err(|exception| match exception.get_err() {
                Ok(error) => failed(error),
                Err(_) => Problem::new("jq_failed", "the filter broke out of itself"),
            })?;
            if outputs.len() == MAX_OUTPUTS {
                return Err(too_costly(format!("the filter has more than {MAX_OUTPUTS} outputs")));
            }
            outputs.push(json::write(&value).ok_or_else(|| {
                Problem::new("jq_not_json", "the filter gave a number that JSON cannot hold (infinite, or no number)")
                    .hint("look for a division by zero")
            })?);
        }
        Ok(outputs)
    }
}

fn failed(error: value::Error) -> Problem {
    let value = error.into_val();
    let reason = match json::write(&value) {
        Some(Value::String(text)) => text.chars().take(500).collect(),
        _ => value.to_string(),
    };
    Problem::new("jq_failed", reason)
}

fn stopped(stop: Stop) -> Problem {
    too_costly(match stop {
        Stop::Steps => format!("the filter took more than {MAX_STEPS} steps and was stopped"),
        Stop::Bytes => format!("the filter made more than {} MiB of values and was stopped", MAX_BYTES >> 20),
        Stop::Stack => "the filter called itself too deep and was stopped".to_owned(),
        Stop::Depth => format!("a value is nested deeper than {} levels", value::MAX_DEPTH),
        Stop::Digits => "a whole number grew beyond 4096 bits".to_owned(),
    })
}

fn too_costly(reason: String) -> Problem {
    Problem::new("jq_too_costly", reason)
}
