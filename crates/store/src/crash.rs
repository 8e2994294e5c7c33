//! Named points at which a test may end the process, as a power cut would.
//!
//! Present only with the feature `crash-points`, which release builds do not have. A test sets
//! `TRAMONTANE_CRASH_AT=after_start:3`: the third time the point is passed, the process aborts on the spot, without a
//! destructor or a flush.

/// Every point there is: in the order a task passes them, the one that every commit passes, that of upgrades and that of new keys.
pub const POINTS: [&str; 12] = [
    "after_claim",
    "after_start",
    "after_headers",
    "after_body",
    "before_outcome",
    "after_outcome",
    // Of a pull: a page's tasks and the place to go on are on disk.
    "after_page",
    "after_mark",
    "after_delivery",
    // In every commit of the store, when its changes are made and not yet committed.
    "in_commit",
    // When an older store is brought up to date: around its copy, and before and after each commit of a version.
    "in_migration",
    // When the key of secrets is changed: around what is written to its file.
    "in_rotation",
];

/// Passes a point.
#[cfg(feature = "crash-points")]
pub fn point(name: &'static str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    static ARMED: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);
    debug_assert!(POINTS.contains(&name), "{name} is not in the list");
    #[allow(clippy::disallowed_methods, reason = "a test's switch, absent from release builds")]
    let armed = ARMED.get_or_init(|| {
        let text = std::env::var("TRAMONTANE_CRASH_AT").ok()?;
        let (name, count) = text.split_once(':')?;
        Some((name.to_owned(), count.parse().ok()?))
    });
    let Some((at, count)) = armed else { return };
    if at == name && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *count {
        std::process::abort();
    }
}

/// Data that kills whoever works on it: the process aborts where it has the text of `TRAMONTANE_CRASH_ON` in it.
#[cfg(feature = "crash-points")]
pub fn poison(data: &[u8]) {
    use std::sync::OnceLock;
    static POISON: OnceLock<Option<String>> = OnceLock::new();
    #[allow(clippy::disallowed_methods, reason = "a test's switch, absent from release builds")]
    let poison = POISON.get_or_init(|| std::env::var("TRAMONTANE_CRASH_ON").ok());
    if let Some(poison) = poison
        && data.windows(poison.len().max(1)).any(|window| window == poison.as_bytes())
    {
        std::process::abort();
    }
}

/// A fault of ours that quotes data: panics where the text of `TRAMONTANE_PANIC_ON` is in it.
#[cfg(feature = "crash-points")]
pub fn panic_on(data: impl FnOnce() -> String) {
    use std::sync::OnceLock;
    static MARK: OnceLock<Option<String>> = OnceLock::new();
    #[allow(clippy::disallowed_methods, reason = "a test's switch, absent from release builds")]
    let mark = MARK.get_or_init(|| std::env::var("TRAMONTANE_PANIC_ON").ok());
    let Some(mark) = mark else { return };
    let data = data();
    assert!(!data.contains(mark.as_str()), "met {data}");
}

/// Nothing panics, in a build that people get.
#[cfg(not(feature = "crash-points"))]
#[inline(always)]
pub fn panic_on(_data: impl FnOnce() -> String) {}

/// Nothing kills, in a build that people get.
#[cfg(not(feature = "crash-points"))]
#[inline(always)]
pub fn poison(_data: &[u8]) {}

/// Passes a point: nothing, in a build that people get.
#[cfg(not(feature = "crash-points"))]
#[inline(always)]
pub fn point(_name: &'static str) {}
