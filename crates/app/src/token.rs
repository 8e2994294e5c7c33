//! What lets somebody in: 256 random bits, of which the store keeps a hash alone. Tokens, sessions, links.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use model::{Millis, Problem};
use sha2::{Digest, Sha256};

/// What every token begins with, so that it is recognised where it should not be.
const PREFIX: &str = "tramontane_";
/// A link by which somebody sets a password counts for so long, in milliseconds.
pub(crate) const LINK_COUNTS: Millis = 3_600_000;

/// Makes a token: as it is shown once, and its hash.
///
/// # Errors
/// `no_random` where the system has none.
pub(crate) fn make() -> Result<(String, [u8; 32]), Problem> {
    let (bits, hash) = make_bits()?;
    Ok((format!("{PREFIX}{bits}"), hash))
}

/// Makes what a session or a link shows: bits without a name.
///
/// # Errors
/// `no_random` where the system has none.
pub(crate) fn make_bits() -> Result<(String, [u8; 32]), Problem> {
    let mut bits = [0; 32];
    getrandom::fill(&mut bits).map_err(|error| Problem::new("no_random", error.to_string()))?;
    Ok((BASE64_URL_SAFE_NO_PAD.encode(bits), Sha256::digest(bits).into()))
}

/// The hash of what somebody shows as a token; `None` where it is none.
pub(crate) fn hash(shown: &str) -> Option<[u8; 32]> {
    hash_bits(shown.strip_prefix(PREFIX)?)
}

/// The hash of what somebody shows as a session or a link; `None` where it is none.
pub(crate) fn hash_bits(shown: &str) -> Option<[u8; 32]> {
    let bits = BASE64_URL_SAFE_NO_PAD.decode(shown).ok()?;
    (bits.len() == 32).then(|| Sha256::digest(&bits).into())
}

/// Where a link leads on the server.
pub(crate) fn link_path(bits: &str) -> String {
    format!("/setup?token={bits}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_hash_and_nothing_else_is_one() {
        let (token, kept) = make().unwrap();
        assert_eq!(hash(&token), Some(kept));
        assert_ne!(make().unwrap().1, kept);
        for wrong in
            ["", "tramontane_", &token[1..], &token[..token.len() - 1], &format!("{token}A"), &token.to_uppercase()]
        {
            assert_eq!(hash(wrong), None, "{wrong}");
        }
        assert_eq!(hash_bits(&token), None, "a token is no session");
        assert_eq!(hash(token.trim_start_matches(PREFIX)), None, "nor the other way round");
    }
}
