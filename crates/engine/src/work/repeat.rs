//! What a repeatable call remembers of its earlier attempts: whether one of them may have worked.

use bytes::Bytes;
use model::{Effect, Evidence};
use serde::{Deserialize, Serialize};
use store::Claim;

/// A task remembers this from an attempt on that may have worked.
const MAY_HAVE_WORKED: Bytes = Bytes::from_static(br#"{"may_have_worked":true}"#);

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Repeat {
    may_have_worked: bool,
}

/// Whether an earlier attempt of the task may have done what it asks for. One that was refused, or never sent, has not.
pub(super) fn may_have_worked(claim: &Claim) -> bool {
    let repeat = claim.resume.as_deref().and_then(|text| serde_json::from_slice::<Repeat>(text).ok());
    repeat.is_some_and(|repeat| repeat.may_have_worked)
}

/// What the task is to remember after an attempt; `None` where that adds nothing.
pub(super) fn remember(effect: Effect, evidence: Evidence) -> Option<Bytes> {
    let may_have_worked = matches!(evidence, Evidence::Unknown | Evidence::ErrorAnswer);
    (effect == Effect::Idempotent && may_have_worked).then_some(MAY_HAVE_WORKED)
}
