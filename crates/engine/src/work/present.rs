//! Engines that work on one store know of each other, so that each sends only its part of what a system may be asked at
//! the same time.

use super::dispatch::Shared;
use model::Millis;
use std::sync::Arc;

/// How often an engine says that it is there, and looks who else is.
const BEAT: Millis = 2_000;
/// So long after it was last heard of, an engine is taken for gone.
const GONE: Millis = 10_000;

/// Says so and looks, for ever.
pub(super) async fn stay(shared: Arc<Shared>) {
    let (parts, standing) = (&shared.parts, &shared.parts.standing);
    loop {
        let now = shared.now();
        match parts.store.attend(standing.attending(now, now + GONE), now).await {
            Ok(engines) => standing.present(&engines, now, now + GONE),
            Err(error) => tracing::warn!(%error, "the store could not be told that this engine is there"),
        }
        parts.clock.sleep_until(now + BEAT).await;
    }
}

/// The last work of this engine ended: what it had is for others at once.
pub(super) async fn leave(shared: &Shared) {
    let (parts, now) = (&shared.parts, shared.now());
    if parts.standing.go()
        && let Err(error) = parts.store.attend(parts.standing.attending(now, now), now).await
    {
        tracing::debug!(%error, "others will find out by themselves that this engine is gone");
    }
}
