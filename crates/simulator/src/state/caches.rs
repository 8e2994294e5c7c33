//! Prompts that are still there, by the key that clients give them (`prompt_cache_key`).

use crate::state::lock;
use crate::words;
use std::collections::HashMap;
use std::sync::Mutex;

/// Most keys that are kept; with one more all are forgotten.
const MAX_KEYS: usize = 1_000;

/// The longest prompt that is kept, in bytes.
const MAX_PROMPT: usize = 256 << 10;

/// Tokens are found again in whole blocks of so many.
const BLOCK: u64 = 64;

/// The last prompt of each key.
#[derive(Debug, Default)]
pub(crate) struct Caches {
    prompts: Mutex<HashMap<String, String>>,
}

impl Caches {
    /// How many tokens at the beginning of a prompt the last one of this key had too. From then on this prompt is the
    /// key's last one.
    pub(crate) fn found(&self, key: &str, prompt: String) -> u64 {
        let mut prompts = lock(&self.prompts);
        let same = prompts.get(key).map_or(0, |before| {
            let pairs = before.chars().zip(prompt.chars()).take_while(|(one, other)| one == other);
            words::count(&pairs.map(|(letter, _)| letter).collect::<String>())
        });
        if prompts.len() >= MAX_KEYS && !prompts.contains_key(key) {
            prompts.clear();
        }
        if prompt.len() <= MAX_PROMPT {
            prompts.insert(key.to_owned(), prompt);
        }
        same / BLOCK * BLOCK
    }
}
