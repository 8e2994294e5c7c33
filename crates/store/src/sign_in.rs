//! How people sign in, where they are signed in, and the one-time links that let them set a password.
//!
//! Of passwords, sessions, links and recovery codes there are hashes alone; what a second factor is made from is sealed.

use crate::seal::Sealed;
use crate::{AuditEntry, Person, StoreError};
use async_trait::async_trait;
use model::Millis;
use std::fmt;

/// How somebody signs in.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Who.
    pub person: Person,
    /// Argon2id hash of their password; `None`: they have none.
    pub password: Option<String>,
    /// What else they are asked for.
    pub factor: Option<Factor>,
}

impl fmt::Debug for Credentials {
    /// Without what could be guessed at.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("person", &self.person).finish_non_exhaustive()
    }
}

/// A second factor: codes that follow from a secret and the time.
#[derive(Clone, PartialEq, Eq)]
pub struct Factor {
    /// The secret, sealed.
    pub sealed: Vec<u8>,
    /// It is asked for. Before somebody has shown a code of it, it is not.
    pub is_confirmed: bool,
    /// Recovery codes that are left.
    pub codes_left: u32,
}

/// By which ways somebody may come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaysIn {
    /// Who.
    pub person: String,
    /// They have set a password.
    pub has_password: bool,
    /// A second factor is asked for.
    pub has_factor: bool,
}

/// Where somebody is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Number.
    pub id: i64,
    /// Who.
    pub person: String,
    /// When they signed in.
    pub created_at: Millis,
    /// When it was last used, to about a minute.
    pub used_at: Millis,
    /// From then on it does not count, used or not.
    pub expires_at: Millis,
    /// The address that they came from.
    pub origin: String,
    /// Their browser, as it calls itself.
    pub agent: String,
}

/// A session to be begun.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Who signs in.
    pub person: String,
    /// SHA-256 of its 256 random bits.
    pub hash: [u8; 32],
    /// When it ends, used or not.
    pub expires_at: Millis,
    /// Sessions of anybody that were not used since then are forgotten.
    pub unused_since: Millis,
    /// The address that they come from.
    pub origin: String,
    /// Their browser.
    pub agent: String,
    /// The session that it replaces.
    pub replaces: Option<i64>,
}

/// Who is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// Where.
    pub session: Session,
    /// Who.
    pub person: Person,
}

/// A link to be made.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct NewLink {
    /// SHA-256 of its 256 random bits.
    pub hash: [u8; 32],
    /// Whose password it sets; `None`: it makes the first administrator.
    pub person: Option<String>,
    /// From then on it does not count.
    pub expires_at: Millis,
}

/// What a link sets.
#[derive(Clone, Debug)]
pub struct LinkUse {
    /// Hash of the link.
    pub hash: [u8; 32],
    /// Who is meant.
    pub person: String,
    /// Argon2id hash of their password.
    pub password: String,
}

/// Signing in. Each change is recorded in the commit that makes it.
#[async_trait]
pub trait SignIn: Send + Sync {
    /// How somebody signs in; `None`: there is nobody of that name.
    async fn credentials(&self, name: String) -> Result<Option<Credentials>, StoreError>;

    /// By which ways each may come in, by name.
    async fn ways_in(&self) -> Result<Vec<WaysIn>, StoreError>;

    /// Sets somebody's password; all their sessions and links end. `false` where there is nobody of that name.
    async fn set_password(&self, name: String, hash: String, audit: AuditEntry) -> Result<bool, StoreError>;

    /// Makes a link; `false` where there is nobody of that name.
    async fn add_link(&self, link: NewLink, audit: AuditEntry) -> Result<bool, StoreError>;

    /// Whom a link is for, as long as it counts: `Some(None)` makes the first administrator.
    async fn link(&self, hash: [u8; 32], now: Millis) -> Result<Option<Option<String>>, StoreError>;

    /// Uses a link up: its person, or the first administrator, has this password then, and no other link counts for them.
    /// `false` where it does not count, or is for somebody else; the first administrator also where anybody has a password
    /// or a token by now.
    async fn use_link(&self, used: LinkUse, audit: AuditEntry) -> Result<bool, StoreError>;

    /// Begins a session, and forgets sessions that have ended.
    async fn begin_session(&self, new: NewSession, audit: AuditEntry) -> Result<(), StoreError>;

    /// Whose session has this hash, whether it still counts or not.
    async fn signed_in(&self, hash: [u8; 32]) -> Result<Option<SignedIn>, StoreError>;

    /// Notes that a session was used.
    async fn session_used(&self, id: i64, at: Millis) -> Result<(), StoreError>;

    /// Every session, in the order in which they began.
    async fn sessions(&self) -> Result<Vec<Session>, StoreError>;

    /// Ends one; `false` where it is not there.
    async fn end_session(&self, id: i64, audit: AuditEntry) -> Result<bool, StoreError>;

    /// Keeps a second factor that is not asked for yet; one that is stays. `false` where one is, or nobody of that name.
    async fn offer_factor(&self, name: String, sealed: Sealed) -> Result<bool, StoreError>;

    /// From now on it is asked for; `step` is used up, and these are the hashes of its recovery codes. `false` where none
    /// is offered.
    async fn confirm_factor(
        &self,
        name: String,
        step: i64,
        codes: Vec<[u8; 32]>,
        audit: AuditEntry,
    ) -> Result<bool, StoreError>;

    /// Uses a step of somebody's factor up, and all before it; `false` where it was.
    async fn use_step(&self, name: String, step: i64) -> Result<bool, StoreError>;

    /// Uses a recovery code up; `false` where they have no such code.
    async fn use_code(&self, name: String, hash: [u8; 32]) -> Result<bool, StoreError>;

    /// Takes somebody's factor and its codes away; `false` where they have none.
    async fn remove_factor(&self, name: String, audit: AuditEntry) -> Result<bool, StoreError>;
}
