//! Tokens: 256 random bits, of which the store keeps a hash alone.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use model::Problem;
use sha2::{Digest, Sha256};

/// What every token begins with, so that it is recognised where it should not be.
const PREFIX: &str = "tramontane_";

/// Makes one: as it is shown once, and its hash.
///
/// # Errors
/// `no_random` where the system has none.
pub(crate) fn make() -> Result<(String, [u8; 32]), Problem> {
    let mut bits = [0; 32];
    getrandom::fill(&mut bits).map_err(|error| Problem::new("no_random", error.to_string()))?;
    Ok((format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bits)), Sha256::digest(bits).into()))
}

/// The hash of what somebody shows; `None` where it is no token.
pub(crate) fn hash(shown: &str) -> Option<[u8; 32]> {
    let bits = BASE64_URL_SAFE_NO_PAD.decode(shown.strip_prefix(PREFIX)?).ok()?;
    (bits.len() == 32).then(|| Sha256::digest(&bits).into())
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
    }
}
