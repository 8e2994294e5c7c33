//! What one run of a filter may cost: steps, bytes and stack.
//!
//! The interpreter has no fuel of its own and its operators cannot see a context, so the budget belongs to the thread
//! and every operation on a value takes from it. Most of these operations cannot fail (`Clone`, `FromIterator`), and an
//! ordinary error could be caught by the filter (`try`), so an empty budget **unwinds** to [`within`]. Nothing is
//! printed and nothing is poisoned: the interpreter holds no locks.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// What a run may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Operations on values and calls of definitions. The same filter on the same payload always takes as many.
    pub steps: u64,
    /// Bytes of all the values that are made, whether or not they live to the end.
    pub bytes: u64,
    /// Stack that must remain for what runs between two charges.
    pub stack: usize,
}

/// What ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    Steps,
    Bytes,
    Stack,
    Depth,
    Digits,
}

struct Budget {
    steps: Cell<u64>,
    bytes: Cell<u64>,
    stack: Cell<usize>,
}

impl Budget {
    fn replace(&self, limits: Limits) -> Limits {
        Limits {
            steps: self.steps.replace(limits.steps),
            bytes: self.bytes.replace(limits.bytes),
            stack: self.stack.replace(limits.stack),
        }
    }
}

thread_local! {
    static LEFT: Budget =
        const { Budget { steps: Cell::new(u64::MAX), bytes: Cell::new(u64::MAX), stack: Cell::new(0) } };
}

/// Runs `work` under a budget.
///
/// # Errors
/// What ran out. A panic of another kind goes on.
pub(crate) fn within<T>(limits: Limits, work: impl FnOnce() -> T) -> Result<T, Stop> {
    let before = LEFT.with(|left| left.replace(limits));
    let result = catch_unwind(AssertUnwindSafe(work));
    LEFT.with(|left| left.replace(before));
    result.map_err(|panic| match panic.downcast::<Stop>() {
        Ok(stop) => *stop,
        Err(other) => resume_unwind(other),
    })
}

/// Takes steps.
#[inline]
pub(crate) fn charge(steps: usize) {
    LEFT.with(|left| {
        let Some(rest) = left.steps.get().checked_sub(steps as u64) else { stop(Stop::Steps) };
        left.steps.set(rest);
        // Where the platform does not say how much stack remains, the steps alone have to do.
        if stacker::remaining_stack().is_some_and(|rest| rest < left.stack.get()) {
            stop(Stop::Stack);
        }
    });
}

/// Takes bytes that a new value needs, and the time to write them.
#[inline]
pub(crate) fn charge_bytes(bytes: usize) {
    LEFT.with(|left| {
        let Some(rest) = left.bytes.get().checked_sub(bytes as u64) else { stop(Stop::Bytes) };
        left.bytes.set(rest);
    });
    charge(1 + bytes / 256);
}

/// Ends the run.
#[cold]
pub(crate) fn stop(why: Stop) -> ! {
    resume_unwind(Box::new(why))
}
