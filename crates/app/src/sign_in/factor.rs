//! The second factor: codes of six digits that follow from a secret and the time (RFC 6238), and recovery codes for those
//! who have lost what shows them.

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use model::{Millis, Problem};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// How long a code is shown, in milliseconds.
const STEP: Millis = 30_000;
/// Bytes of a secret: as many as the hash has.
pub(crate) const SECRET_BYTES: usize = 20;
/// Recovery codes that somebody gets.
const CODES: usize = 10;
/// Letters of a recovery code: 100 random bits.
const LETTERS: usize = 20;

/// A new secret.
///
/// # Errors
/// `no_random`.
pub(crate) fn make_secret() -> Result<[u8; SECRET_BYTES], Problem> {
    let mut secret = [0; SECRET_BYTES];
    random(&mut secret)?;
    Ok(secret)
}

/// A secret as people type it into what shows the codes.
pub(crate) fn shown(secret: &[u8]) -> String {
    BASE32_NOPAD.encode(secret)
}

/// As a picture of it says it: `otpauth://…`. Names have nothing in them that would have to be encoded but `@`.
pub(crate) fn address(secret: &[u8], name: &str) -> String {
    let name: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
    format!(
        "otpauth://totp/Tramontane:{name}?secret={}&issuer=Tramontane&algorithm=SHA1&digits=6&period=30",
        shown(secret)
    )
}

/// The code of a step.
fn code(secret: &[u8], step: i64) -> Option<u32> {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret).ok()?;
    mac.update(&step.to_be_bytes());
    let hash = mac.finalize().into_bytes();
    let at = usize::from(hash[19] & 15);
    let four = hash.get(at..at + 4)?.try_into().ok()?;
    Some((u32::from_be_bytes(four) & 0x7fff_ffff) % 1_000_000)
}

/// The step that a code is of: this one, or one beside it, for clocks that go wrong.
pub(crate) fn step(secret: &[u8], shown: &str, now: Millis) -> Option<i64> {
    if shown.len() != 6 || !shown.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let present = now.div_euclid(STEP);
    let is = |step: i64| {
        let code = code(secret, step).map(|code| format!("{code:06}"));
        bool::from(code.unwrap_or_default().as_bytes().ct_eq(shown.as_bytes()))
    };
    // All three, so that nothing can be told from how long it takes.
    [present, present - 1, present + 1].map(|step| is(step).then_some(step)).into_iter().flatten().next()
}

/// Recovery codes as they are shown once, and their hashes.
///
/// # Errors
/// `no_random`.
pub(crate) fn make_recovery_codes() -> Result<Vec<(String, [u8; 32])>, Problem> {
    let mut codes = Vec::new();
    for _ in 0..CODES {
        let mut bits = [0; 13];
        random(&mut bits)?;
        let letters = &BASE32_NOPAD.encode(&bits).to_lowercase()[..LETTERS];
        let groups: Vec<&str> = (0..LETTERS).step_by(5).map(|at| &letters[at..at + 5]).collect();
        codes.push((groups.join("-"), Sha256::digest(letters).into()));
    }
    Ok(codes)
}

/// The hash of what somebody shows as a recovery code, however they write it; `None` where it is none.
pub(crate) fn recovery_hash(shown: &str) -> Option<[u8; 32]> {
    if shown.len() > 100 {
        return None;
    }
    let letters: String = shown.chars().filter(|letter| !matches!(letter, '-' | ' ')).collect();
    let letters = letters.to_ascii_lowercase();
    let is_letter = |letter: char| matches!(letter, 'a'..='z' | '2'..='7');
    (letters.len() == LETTERS && letters.chars().all(is_letter)).then(|| Sha256::digest(&letters).into())
}

fn random(bytes: &mut [u8]) -> Result<(), Problem> {
    getrandom::fill(bytes).map_err(|error| Problem::new("no_random", error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Appendix B of RFC 6238, the last six of its eight digits.
    #[test]
    fn codes_are_those_of_the_standard() {
        let secret = b"12345678901234567890";
        let cases = [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ];
        for (seconds, code) in cases {
            assert_eq!(step(secret, code, seconds * 1_000), Some(seconds / 30), "{code}");
        }
        assert_eq!(shown(secret), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert!(address(secret, "ann@example").contains("ann%40example?secret=GEZD"));
    }

    #[test]
    fn a_code_counts_one_step_early_and_one_late() {
        let secret = b"12345678901234567890";
        for (late, counts) in [(-60, false), (-30, true), (0, true), (30, true), (60, false)] {
            let found = step(secret, "050471", (1_111_111_111 + late) * 1_000);
            assert_eq!(found, counts.then_some(37_037_037), "{late}");
        }
        for wrong in ["", "50471", "0050471", "05047a", "٠٥٠٤٧١", " 050471", "050472"] {
            assert_eq!(step(secret, wrong, 1_111_111_111_000), None, "{wrong}");
        }
    }

    #[test]
    fn a_recovery_code_is_known_however_it_is_written() {
        let codes = make_recovery_codes().unwrap();
        assert_eq!(codes.len(), CODES);
        for (code, hash) in &codes {
            for written in [code.clone(), code.to_uppercase(), code.replace('-', ""), code.replace('-', " ")] {
                assert_eq!(recovery_hash(&written), Some(*hash), "{written}");
            }
            assert_eq!(recovery_hash(&code[1..]), None);
            assert_eq!(codes.iter().filter(|(other, _)| other == code).count(), 1);
        }
        assert_eq!(recovery_hash("123456"), None);
        assert_eq!(recovery_hash(&"a".repeat(10_000)), None);
    }
}
