//! Passwords: what they must be, and Argon2id over them.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use model::Problem;
use secrecy::{ExposeSecret as _, SecretString};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// The least, in characters, and the most, in bytes.
const SHORTEST: usize = 12;
const LONGEST: usize = 1_024;
/// Passwords that guessers begin with, of those that are long enough.
const WELL_KNOWN: &str = include_str!("well_known.txt");
/// Argon2id, as everything here is hashed: what the crate has as its default is what OWASP asks for, 19 MiB, two rounds,
/// one lane. Of nobody's password.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
/// Hashes at once: each takes memory and a whole core.
const TURNS: usize = 2;
/// Hashes at once and waiting. Who comes then is told to come again.
const PLACES: usize = 64;

/// Whether somebody may have this password.
///
/// # Errors
/// `password_weak`; the password is not in it.
pub(crate) fn check_password(password: &str, name: &str) -> Result<(), Problem> {
    let weak = |reason: &str| Problem::new("password_weak", reason).hint("several words in a row make a good one");
    if password.chars().count() < SHORTEST {
        return Err(weak("a password has at least 12 characters"));
    }
    if password.len() > LONGEST {
        return Err(weak("a password has at most 1,024 bytes"));
    }
    let lower = password.to_lowercase();
    let mut letters = lower.chars();
    let first = letters.next();
    let is_plain = letters.all(|letter| Some(letter) == first) || lower == name.to_lowercase();
    if is_plain || WELL_KNOWN.lines().any(|known| known == lower) {
        return Err(weak("this password is among the first that are guessed"));
    }
    Ok(())
}

/// Hashes and checks passwords, a bounded number at once, on threads that may take their time.
pub(crate) struct Passwords {
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(PLACES)), turns: Arc::new(Semaphore::new(TURNS)) }
    }
}

impl Passwords {
    /// What is kept of a password.
    ///
    /// # Errors
    /// `busy`, `no_random`.
    pub(crate) async fn hash(&self, password: SecretString) -> Result<String, Problem> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|error| Problem::new("no_random", error.to_string()))?;
        let hashed = self.in_turn(move || {
            let hash = Argon2::default().hash_password_with_salt(password.expose_secret().as_bytes(), &salt);
            hash.map(|hash| hash.to_string())
        });
        hashed.await?.map_err(|error| Problem::new("hash_failed", error.to_string()))
    }

    /// Whether a password is the one of this hash. Without one it is no less work, and never right.
    ///
    /// # Errors
    /// `busy`.
    pub(crate) async fn is_right(&self, password: SecretString, hash: Option<String>) -> Result<bool, Problem> {
        self.in_turn(move || {
            let kept = PasswordHash::new(hash.as_deref().unwrap_or(NOBODYS));
            // What is too long for anybody's password is not worth the work.
            let shown = password.expose_secret().as_bytes();
            let shown = &shown[..shown.len().min(LONGEST + 1)];
            let is_right = kept.is_ok_and(|kept| Argon2::default().verify_password(shown, &kept).is_ok());
            is_right && hash.is_some()
        })
        .await
    }

    async fn in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
        let busy = || Problem::new("busy", "too many sign in at once").hint("try again in a moment");
        let place = self.places.clone().try_acquire_owned().map_err(|_| busy())?;
        let turn = self.turns.clone().acquire_owned().await.map_err(|_| busy())?;
        // The work goes on where nobody waits for its answer any more, and so keeps its turn.
        let working = tokio::task::spawn_blocking(move || {
            let done = work();
            drop((place, turn));
            done
        });
        working.await.map_err(|_| busy())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_passwords_are_refused_and_say_why() {
        let long = "x y".repeat(342);
        let cases = [
            ("", "at least 12"),
            ("elevenchars", "at least 12"),
            ("ééééééééééé", "at least 12"),
            (&*long, "at most 1,024"),
            ("aaaaaaaaaaaaaaa", "guessed"),
            ("Password1234", "guessed"),
            ("administrator", "guessed"),
            ("ANN.THE.THIRD", "guessed"),
        ];
        for (password, said) in cases {
            let problem = check_password(password, "ann.the.third").unwrap_err();
            assert!(problem.reason.contains(said), "{password}: {problem}");
            assert_eq!(problem.code, "password_weak");
        }
        for fine in ["correct horse", "éééééééééééè", "            x", &"x y".repeat(341)] {
            assert_eq!(check_password(fine, "ann"), Ok(()), "{fine}");
        }
        assert!(WELL_KNOWN.lines().all(|known| known.chars().count() >= SHORTEST && known == known.to_lowercase()));
    }

    #[tokio::test]
    async fn a_password_is_known_by_its_hash() {
        let passwords = Passwords::default();
        let hash = passwords.hash("correct horse".to_owned().into()).await.unwrap();
        let other = passwords.hash("correct horse".to_owned().into()).await.unwrap();
        assert_ne!(hash, other, "each has its own salt");
        let head = |hash: &str| hash.rsplitn(3, '$').nth(2).unwrap().to_owned();
        assert_eq!(head(&hash), head(NOBODYS), "an unknown name is as much work");
        assert!(PasswordHash::new(NOBODYS).is_ok());
        let is_right = async |password: &str, hash: Option<&String>| {
            passwords.is_right(password.to_owned().into(), hash.cloned()).await.unwrap()
        };
        assert!(is_right("correct horse", Some(&hash)).await);
        for wrong in ["correct hors", "Correct horse", "", "correct horse "] {
            assert!(!is_right(wrong, Some(&hash)).await, "{wrong}");
        }
        assert!(!is_right("correct horse", None).await);
        assert!(!is_right("correct horse", Some(&"nonsense".to_owned())).await);
    }

    #[tokio::test]
    async fn more_than_so_many_at_once_are_told_to_come_again() {
        let passwords = Passwords::default();
        let _all = passwords.places.try_acquire_many(u32::try_from(PLACES).unwrap()).unwrap();
        assert_eq!(passwords.is_right("x".to_owned().into(), None).await.unwrap_err().code, "busy");
    }
}
