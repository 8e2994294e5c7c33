//! Values that are sealed at rest: XChaCha20-Poly1305 under a key that is never in the store.
//!
//! What is sealed is `version | key id | nonce | ciphertext and tag`. The row that it belongs to is associated data: a
//! value that is put into another row does not open. A nonce is 192 random bits, so nobody keeps books about them.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305};
use model::Problem;
use secrecy::{ExposeSecret as _, SecretBox, SecretSlice};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::sync::Arc;

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;
/// How what is sealed is laid out.
const VERSION: u8 = 1;
const ID_BYTES: usize = 8;
const NONCE_BYTES: usize = 24;
const HEAD: usize = 1 + ID_BYTES;
const TAG_BYTES: usize = 16;
/// A key is read from a few bytes; more is something else.
const MOST_KEYS: usize = 16;

/// A column with sealed values. Its name is part of what each of them is sealed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// The table.
    pub table: &'static str,
    /// The column that names a row, and does not change.
    pub row: &'static str,
    /// The column with the sealed value, or NULL.
    pub value: &'static str,
}

/// Values of secrets.
pub const SECRET: Column = Column { table: "secret", row: "name", value: "value" };
/// What second factors are made from.
pub const FACTOR: Column = Column { table: "factor", row: "person", value: "sealed" };
/// Every column with sealed values: `secrets rotate` reseals what stands in these, and in no other.
pub const COLUMNS: [Column; 2] = [SECRET, FACTOR];
/// The value by which a store knows its key. It is resealed with all others.
const CHECK: Column = Column { table: "sealing", row: "id", value: "proof" };
const CHECK_ROW: &str = "1";

/// What tells one key from another, and nothing about either.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct KeyId([u8; ID_BYTES]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A sealed value on its way into the store, which takes it only where its key is the one that the store knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// As it stands in the row.
    pub value: Vec<u8>,
    /// The value by which a store without sealed values knows the key from now on.
    pub proof: Vec<u8>,
}

/// A key that seals: 32 bytes.
#[derive(Clone)]
pub struct Key {
    bytes: Arc<SecretBox<[u8; KEY_BYTES]>>,
    id: KeyId,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id)
    }
}

impl Key {
    /// The key with these bytes.
    #[must_use]
    pub fn new(bytes: [u8; KEY_BYTES]) -> Self {
        let hash = Sha256::new().chain_update("tramontane key id").chain_update(bytes).finalize();
        let mut id = [0; ID_BYTES];
        id.copy_from_slice(&hash[..ID_BYTES]);
        Self { bytes: Arc::new(SecretBox::new(Box::new(bytes))), id: KeyId(id) }
    }

    /// A new one.
    ///
    /// # Errors
    /// `no_random` where the system has none.
    pub fn generate() -> Result<Self, Problem> {
        let mut bytes = [0; KEY_BYTES];
        random(&mut bytes)?;
        Ok(Self::new(bytes))
    }

    /// Reads one: 32 bytes in base64, of either alphabet, or in hex.
    ///
    /// # Errors
    /// `store_key_malformed`; what was read is not in it.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        const BASE64: GeneralPurposeConfig =
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let bytes = if text.len() == 2 * KEY_BYTES && text.bytes().all(|letter| letter.is_ascii_hexdigit()) {
            let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).ok();
            (0..text.len()).step_by(2).map(byte).collect()
        } else {
            [alphabet::STANDARD, alphabet::URL_SAFE]
                .iter()
                .find_map(|letters| GeneralPurpose::new(letters, BASE64).decode(text).ok())
        };
        let bytes: Option<[u8; KEY_BYTES]> = bytes.and_then(|bytes: Vec<u8>| bytes.try_into().ok());
        bytes.map(Self::new).ok_or_else(|| {
            Problem::new("store_key_malformed", format!("{} characters are no key", text.chars().count()))
                .hint("a key is 32 random bytes in base64 or hex: head -c 32 /dev/urandom | base64")
        })
    }

    /// As it is written into a file, to be read by [`Key::parse`].
    #[must_use]
    pub fn to_text(&self) -> secrecy::SecretString {
        base64::prelude::BASE64_STANDARD.encode(self.bytes.expose_secret()).into()
    }

    /// What tells it from others.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Seals a value for a row of a column. The same value never gives the same twice.
    ///
    /// # Errors
    /// `no_random` where the system has none; `seal_failed` for more bytes than the cipher takes.
    pub fn seal(&self, plain: &[u8], column: &Column, row: &str) -> Result<Vec<u8>, Problem> {
        let mut nonce = [0; NONCE_BYTES];
        random(&mut nonce)?;
        let payload = Payload { msg: plain, aad: &about(column, row) };
        let sealed = self.cipher().encrypt(&nonce.into(), payload);
        let sealed = sealed.map_err(|_| Problem::new("seal_failed", "the value cannot be sealed"))?;
        Ok([&[VERSION][..], &self.id.0, &nonce, &sealed].concat())
    }

    /// Opens what [`Key::seal`] sealed for this row.
    ///
    /// # Errors
    /// `store_key_wrong` where another key sealed it; `seal_broken` where it was changed, or belongs to another row.
    pub fn open(&self, sealed: &[u8], column: &Column, row: &str) -> Result<SecretSlice<u8>, Problem> {
        if key_of(sealed)? != self.id {
            return Err(unknown_key(key_of(sealed)?));
        }
        let Some((nonce, sealed)) = sealed[HEAD..].split_first_chunk::<NONCE_BYTES>() else { return Err(broken()) };
        let payload = Payload { msg: sealed, aad: &about(column, row) };
        let plain = self.cipher().decrypt(&(*nonce).into(), payload).map_err(|_| broken())?;
        Ok(plain.into())
    }

    /// Seals a value on its way into the store.
    ///
    /// # Errors
    /// As [`Key::seal`].
    pub fn sealed(&self, plain: &[u8], column: &Column, row: &str) -> Result<Sealed, Problem> {
        Ok(Sealed { value: self.seal(plain, column, row)?, proof: self.proof()? })
    }

    /// The value by which a store knows this key.
    ///
    /// # Errors
    /// As [`Key::seal`].
    pub fn proof(&self) -> Result<Vec<u8>, Problem> {
        self.seal(&[], &CHECK, CHECK_ROW)
    }

    /// Whether a store with this proof was sealed with this key.
    ///
    /// # Errors
    /// As [`Key::open`].
    pub fn check(&self, proof: &[u8]) -> Result<(), Problem> {
        self.open(proof, &CHECK, CHECK_ROW).map(|_| ())
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.bytes.expose_secret().into())
    }
}

/// The id of the key that sealed a value.
///
/// # Errors
/// `seal_broken` where it is no sealed value.
pub fn key_of(sealed: &[u8]) -> Result<KeyId, Problem> {
    let Some(([VERSION, id @ ..], rest)) = sealed.split_first_chunk::<HEAD>() else { return Err(broken()) };
    if rest.len() < NONCE_BYTES + TAG_BYTES {
        return Err(broken());
    }
    let mut kept = [0; ID_BYTES];
    kept.copy_from_slice(id);
    Ok(KeyId(kept))
}

/// The keys that are at hand: one, and while keys are changed the one that comes after it.
#[derive(Clone, Debug, Default)]
pub struct Ring(Vec<Key>);

impl Ring {
    /// Reads keys, with spaces, commas or line ends between them. Lines that begin with `#` are passed over.
    ///
    /// # Errors
    /// `store_key_malformed`.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let words = lines.flat_map(|line| line.split([' ', '\t', ',', '\r'])).filter(|word| !word.is_empty());
        let keys: Vec<Key> = words.take(MOST_KEYS + 1).map(Key::parse).collect::<Result<_, _>>()?;
        if keys.is_empty() || keys.len() > MOST_KEYS {
            let problem = Problem::new("store_key_malformed", format!("there must be 1 to {MOST_KEYS} keys"));
            return Err(problem.hint("a key is 32 random bytes in base64 or hex"));
        }
        Ok(Self(keys))
    }

    /// All of them, in the order in which they were given.
    #[must_use]
    pub fn keys(&self) -> &[Key] {
        &self.0
    }

    /// One of them.
    #[must_use]
    pub fn find(&self, id: KeyId) -> Option<&Key> {
        self.0.iter().find(|key| key.id == id)
    }

    /// The key that sealed a value.
    ///
    /// # Errors
    /// `store_key_wrong` where it is not at hand; `seal_broken`.
    pub fn key_for(&self, sealed: &[u8]) -> Result<&Key, Problem> {
        let id = key_of(sealed)?;
        self.find(id).ok_or_else(|| unknown_key(id))
    }

    /// Opens a value with the key that sealed it.
    ///
    /// # Errors
    /// `store_key_wrong` where that is not at hand; `seal_broken`.
    pub fn open(&self, sealed: &[u8], column: &Column, row: &str) -> Result<SecretSlice<u8>, Problem> {
        self.key_for(sealed)?.open(sealed, column, row)
    }
}

impl From<Key> for Ring {
    fn from(key: Key) -> Self {
        Self(vec![key])
    }
}

/// Names of tables and columns have no NUL in them, so no two rows have the same.
fn about(column: &Column, row: &str) -> Vec<u8> {
    [column.table, column.value, row].join("\0").into_bytes()
}

fn random(bytes: &mut [u8]) -> Result<(), Problem> {
    getrandom::fill(bytes).map_err(|error| Problem::new("no_random", error.to_string()))
}

fn broken() -> Problem {
    Problem::new("seal_broken", "a sealed value was changed, or belongs to another row")
        .hint("restore the store from a backup, or set the value anew")
}

fn unknown_key(id: KeyId) -> Problem {
    Problem::new("store_key_wrong", format!("the key {id} sealed this, and is not the one given"))
        .hint("give the key that the store was sealed with")
}

#[cfg(test)]
#[path = "seal_tests.rs"]
mod tests;
