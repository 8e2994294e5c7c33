//! Signing in: passwords, second factors, and how those are slowed down who guess.

pub(crate) mod factor;
mod guesses;
mod password;

pub(crate) use guesses::{Attempt, Delay, Guesses};
pub(crate) use password::{Passwords, check_password};

use model::Millis;

/// What every sign-in on this server goes by.
pub(crate) struct SigningIn {
    pub(crate) passwords: Passwords,
    pub(crate) guesses: Guesses,
    /// A session that is not used for so long ends.
    pub(crate) idle: Millis,
    /// Every session ends after so long.
    pub(crate) longest: Millis,
}

impl SigningIn {
    pub(crate) fn new(idle: Millis, longest: Millis) -> Self {
        Self { passwords: Passwords::default(), guesses: Guesses::default(), idle, longest }
    }
}
