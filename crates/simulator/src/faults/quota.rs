//! A limit of requests and tokens for each key, which clients learn of by being refused.

use super::Limit;
use crate::fingerprint;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Most keys that are told apart. What all of them spent is forgotten when there is one more.
const MAX_KEYS: usize = 10_000;

const SECOND: f64 = 1_000.0;
const MINUTE: f64 = 60_000.0;

/// What every key has spent.
#[derive(Debug)]
pub(crate) struct Quota {
    limit: Limit,
    keys: Mutex<HashMap<u64, Left>>,
}

/// What a key may still spend: it grows with time up to what one second, or one minute, gives.
#[derive(Clone, Copy, Debug)]
struct Left {
    at: u64,
    requests: f64,
    /// Below zero after an answer that was longer than what was left: nobody knows its length before.
    tokens: f64,
}

impl Quota {
    pub(super) fn new(limit: Limit) -> Self {
        Self { limit, keys: Mutex::default() }
    }

    /// Whether a key may ask once more, `now` in milliseconds. Says what it has too little of where it may not.
    pub(crate) fn request(&self, key: &[u8], now: u64) -> Result<(), &'static str> {
        self.with(key, now, |limit, left| {
            if limit.tokens_per_minute.is_some() && left.tokens <= 0.0 {
                return Err("Tokens");
            }
            if limit.requests_per_second.is_some() {
                if left.requests < 1.0 {
                    return Err("Requests");
                }
                left.requests -= 1.0;
            }
            Ok(())
        })
    }

    /// Takes the tokens of an answer from what is left.
    pub(crate) fn spend(&self, key: &[u8], now: u64, tokens: u64) {
        self.with(key, now, |_, left| left.tokens -= tokens as f64);
    }

    fn with<T>(&self, key: &[u8], now: u64, act: impl FnOnce(&Limit, &mut Left) -> T) -> T {
        // A rate below one a second still allows one request.
        let most_requests = self.limit.requests_per_second.unwrap_or_default().max(1.0);
        let most_tokens = self.limit.tokens_per_minute.unwrap_or_default() as f64;
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let key = fingerprint::bytes_of(key);
        if keys.len() >= MAX_KEYS && !keys.contains_key(&key) {
            keys.clear();
        }
        let left = keys.entry(key).or_insert(Left { at: now, requests: most_requests, tokens: most_tokens });
        let passed = now.saturating_sub(left.at) as f64;
        let requests_per_second = self.limit.requests_per_second.unwrap_or_default();
        left.requests = (left.requests + passed * requests_per_second / SECOND).min(most_requests);
        left.tokens = (left.tokens + passed * most_tokens / MINUTE).min(most_tokens);
        left.at = left.at.max(now);
        act(&self.limit, left)
    }
}
