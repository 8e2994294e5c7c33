//! Who may send to a webhook: nothing of a request is looked at before its signature or token is found right.

use crate::definitions::builtin::{Signature, WebhookOptions};
use crate::definitions::variables::{Variables, resolve_secret};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use model::Millis;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// A webhook, ready to judge what is sent to it.
pub struct Webhook {
    signing: Option<Signing>,
    /// The expected token; `Some(None)`: one is asked for, and it has no value here.
    token: Option<Option<SecretString>>,
    id_header: Option<String>,
    /// The largest body, in bytes.
    pub max_bytes: u64,
}

struct Signing {
    /// `None`: it has no value here, so nothing is accepted.
    secret: Option<SecretString>,
    signature: Signature,
    header: String,
    tolerance: Millis,
}

/// A request that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What its sender calls it.
    pub id: Option<String>,
}

/// Why a request is not accepted. What was wrong exactly is for the log alone: it would help who guesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A secret of the definition has no value here.
    NoSecret,
    /// No signature or token, or a wrong one.
    Unsigned,
    /// A right signature of another time.
    Old,
}

const ID: &str = "webhook-id";
const TIMESTAMP: &str = "webhook-timestamp";
const SIGNATURE: &str = "webhook-signature";
/// The longest id of an event that is looked at, in bytes.
const LONGEST_ID: usize = 256;

impl Webhook {
    pub(super) fn new(options: &WebhookOptions, variables: &dyn Variables) -> Self {
        let value = |text: &String| resolve_secret(text, variables).ok();
        let standard = options.signing_secret.is_some() && options.signature == Signature::Standard;
        Self {
            signing: options.signing_secret.as_ref().map(|secret| Signing {
                secret: value(secret),
                signature: options.signature,
                header: options.signature_header.to_ascii_lowercase(),
                tolerance: options.tolerance.0,
            }),
            token: options.token.as_ref().map(value),
            id_header: options.id_header.clone().or_else(|| standard.then(|| ID.to_owned())),
            max_bytes: options.max_bytes,
        }
    }

    /// Judges a request by its headers and its raw body.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn judge<'a>(
        &self,
        header: impl Fn(&str) -> Option<&'a str>,
        body: &Bytes,
        now: Millis,
    ) -> Result<Event, Refusal> {
        // Checked at apply; an open door is refused here all the same.
        if self.signing.is_none() && self.token.is_none() {
            return Err(Refusal::NoSecret);
        }
        if let Some(token) = &self.token {
            let token = token.as_ref().ok_or(Refusal::NoSecret)?;
            let given = header("authorization").and_then(|text| text.strip_prefix("Bearer ")).unwrap_or_default();
            if !bool::from(given.as_bytes().ct_eq(token.expose_secret().as_bytes())) {
                return Err(Refusal::Unsigned);
            }
        }
        if let Some(signing) = &self.signing {
            signing.judge(&header, body, now)?;
        }
        let id = self.id_header.as_deref().and_then(&header).filter(|id| !id.is_empty() && id.len() <= LONGEST_ID);
        Ok(Event { id: id.map(str::to_owned) })
    }
}

impl Signing {
    fn judge<'a>(&self, header: &impl Fn(&str) -> Option<&'a str>, body: &Bytes, now: Millis) -> Result<(), Refusal> {
        let secret = self.secret.as_ref().ok_or(Refusal::NoSecret)?.expose_secret();
        match self.signature {
            Signature::Body => {
                let given = header(&self.header).ok_or(Refusal::Unsigned)?;
                let given = given.strip_prefix("sha256=").unwrap_or(given);
                self.fits(secret.as_bytes(), &[body], [given].into_iter())
            }
            Signature::Standard => {
                let id = header(ID).filter(|id| !id.is_empty()).ok_or(Refusal::Unsigned)?;
                let time = header(TIMESTAMP).ok_or(Refusal::Unsigned)?;
                let given = header(SIGNATURE).ok_or(Refusal::Unsigned)?;
                let key = key(secret);
                let given = given.split(' ').filter_map(|one| one.strip_prefix("v1,"));
                self.fits(&key, &[id.as_bytes(), b".", time.as_bytes(), b".", body], given)?;
                let seconds: i64 = time.parse().map_err(|_| Refusal::Unsigned)?;
                let apart = now.saturating_sub(seconds.saturating_mul(1_000)).saturating_abs();
                if apart <= self.tolerance { Ok(()) } else { Err(Refusal::Old) }
            }
        }
    }

    /// Whether one of the signatures, as hex or base64, is that of these pieces. Compared in constant time.
    fn fits<'a>(&self, key: &[u8], pieces: &[&[u8]], given: impl Iterator<Item = &'a str>) -> Result<(), Refusal> {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| Refusal::NoSecret)?;
        pieces.iter().for_each(|piece| mac.update(piece));
        // At most a few: a header is bounded.
        let right = given.filter_map(decode).any(|signature| mac.clone().verify_slice(&signature).is_ok());
        if right { Ok(()) } else { Err(Refusal::Unsigned) }
    }
}

/// The key of a secret: as the standard has it, it may be written as `whsec_` and base64.
fn key(secret: &str) -> Vec<u8> {
    let key = secret.strip_prefix("whsec_").and_then(|text| STANDARD.decode(text).ok());
    key.unwrap_or_else(|| secret.as_bytes().to_vec())
}

/// Signs what we send ourselves, as we check what others send: the value of `webhook-signature`.
pub(crate) fn sign(secret: &str, id: &str, time: &str, body: &[u8]) -> String {
    // A key may have any length, so nothing can fail.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key(secret)) else { return String::new() };
    [id.as_bytes(), b".", time.as_bytes(), b".", body].iter().for_each(|piece| mac.update(piece));
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let hex = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    match text.len() {
        64 => (0..64).step_by(2).map(hex).collect(),
        _ => STANDARD.decode(text).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    struct Values;

    impl Variables for Values {
        fn variable(&self, _: &str) -> Option<String> {
            None
        }
        fn secret(&self, name: &str) -> Option<SecretString> {
            (name == "SET").then(|| "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned().into())
        }
    }

    fn webhook(options: serde_json::Value) -> Webhook {
        Webhook::new(&serde_json::from_value(options).unwrap(), &Values)
    }

    const NOW: Millis = 1_614_265_330_000;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    /// The example of the Standard Webhooks specification.
    const RIGHT: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn judged(webhook: &Webhook, headers: &[(&str, &str)], body: &[u8], now: Millis) -> Result<Event, Refusal> {
        let headers: BTreeMap<&str, &str> = headers.iter().copied().collect();
        webhook.judge(|name| headers.get(name).copied(), &Bytes::copy_from_slice(body), now)
    }

    #[test]
    fn standard_signatures_are_judged() {
        let hook = webhook(serde_json::json!({ "signing_secret": "${secret:SET}" }));
        let id = ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek");
        let time = ("webhook-timestamp", "1614265330");
        let two = format!("v1,AAAA {RIGHT} v2,xx");
        type Case<'a> = (&'a [(&'a str, &'a str)], &'a [u8], Millis, Result<(), Refusal>);
        let cases: [Case<'_>; 12] = [
            (&[id, time, (SIGNATURE, RIGHT)], BODY, NOW, Ok(())),
            (&[id, time, (SIGNATURE, &two)], BODY, NOW, Ok(())),
            (&[id, time, (SIGNATURE, RIGHT)], BODY, NOW + 300_000, Ok(())),
            (&[id, time, (SIGNATURE, RIGHT)], BODY, NOW + 300_001, Err(Refusal::Old)),
            (&[id, time, (SIGNATURE, RIGHT)], BODY, NOW - 300_001, Err(Refusal::Old)),
            (&[id, time, (SIGNATURE, RIGHT)], br#"{"test": 2432232315}"#, NOW, Err(Refusal::Unsigned)),
            (&[id, time, (SIGNATURE, &RIGHT[..40])], BODY, NOW, Err(Refusal::Unsigned)),
            (&[id, time, (SIGNATURE, "")], BODY, NOW, Err(Refusal::Unsigned)),
            (&[id, time], BODY, NOW, Err(Refusal::Unsigned)),
            (&[("webhook-id", "other"), time, (SIGNATURE, RIGHT)], BODY, NOW, Err(Refusal::Unsigned)),
            (&[time, (SIGNATURE, RIGHT)], BODY, NOW, Err(Refusal::Unsigned)),
            (&[id, ("webhook-timestamp", "x"), (SIGNATURE, RIGHT)], BODY, NOW, Err(Refusal::Unsigned)),
        ];
        for (headers, body, now, expected) in cases {
            assert_eq!(judged(&hook, headers, body, now).map(|_| ()), expected, "{headers:?} at {now}");
        }
        let event = judged(&hook, &[id, time, (SIGNATURE, RIGHT)], BODY, NOW).unwrap();
        assert_eq!(event.id.as_deref(), Some(id.1));
    }

    #[test]
    fn what_we_sign_is_what_we_take() {
        let (id, time) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330");
        assert_eq!(sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", id, time, BODY), RIGHT);
    }

    #[test]
    fn a_body_may_be_signed_alone_and_a_token_may_do() {
        let hook = webhook(serde_json::json!({ "signing_secret": "It's a Secret to Everybody", "signature": "body" }));
        // The example of GitHub's documentation.
        let right = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let header = "x-hub-signature-256";
        assert!(judged(&hook, &[(header, right)], b"Hello, World!", NOW).is_ok());
        assert_eq!(judged(&hook, &[(header, right)], b"Hello, World?", NOW), Err(Refusal::Unsigned));
        let hook = webhook(serde_json::json!({ "token": "let-me-in", "id_header": "x-event" }));
        let sent = [("authorization", "Bearer let-me-in"), ("x-event", "e1")];
        assert_eq!(judged(&hook, &sent, BODY, NOW), Ok(Event { id: Some("e1".to_owned()) }));
        for wrong in ["Bearer let-me-i", "Bearer ", "let-me-in", "Bearer let-me-inn"] {
            assert_eq!(judged(&hook, &[("authorization", wrong)], BODY, NOW), Err(Refusal::Unsigned), "{wrong}");
        }
    }

    #[test]
    fn without_a_secret_nothing_is_accepted() {
        for options in [
            serde_json::json!({ "signing_secret": "${secret:UNSET}" }),
            serde_json::json!({ "token": "${secret:UNSET}" }),
            serde_json::json!({}),
        ] {
            let sent =
                [("authorization", "Bearer "), ("webhook-id", "1"), (TIMESTAMP, "1614265330"), (SIGNATURE, RIGHT)];
            assert_eq!(judged(&webhook(options), &sent, BODY, NOW), Err(Refusal::NoSecret));
        }
    }
}
