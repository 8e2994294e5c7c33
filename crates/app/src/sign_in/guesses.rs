//! Who guesses passwords has to wait, longer each time: by account, whoever asks, and by address, whatever they ask for.
//!
//! An attempt counts as failed from its beginning, so that many at once are no way around. Counts are in memory, and are
//! forgotten with the process.

use model::Millis;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Failures before anybody waits.
const FREE: u32 = 5;
/// The longest wait.
const LONGEST: Millis = 300_000;
/// After so long without a failure those before are forgotten.
const FORGOTTEN: Millis = 3_600_000;
/// Accounts and addresses that are counted at once. Of more, those are forgotten that failed least and longest ago.
const MOST: usize = 10_000;

/// An account or an address, as a hash: whatever somebody sends as a name, it takes no more room.
type Key = [u8; 32];

#[derive(Clone, Copy, Default)]
struct Count {
    failures: u32,
    last: Millis,
    /// No attempt before then.
    until: Millis,
    /// The wait was said to somebody, and recorded.
    is_told: bool,
}

/// Somebody has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delay {
    /// For so long.
    pub(crate) wait: Millis,
    /// It is the first attempt that is told so. One record for each wait, or guessing would fill the disk.
    pub(crate) is_first: bool,
}

/// What was tried of late.
#[derive(Default)]
pub(crate) struct Guesses(Mutex<HashMap<Key, Count>>);

/// Who tries to sign in, and from where.
#[derive(Clone, Copy)]
pub(crate) struct Attempt([Key; 2]);

impl Attempt {
    fn new(name: &str, address: &str) -> Self {
        let key = |kind: &str, text: &str| {
            Sha256::new().chain_update(kind).chain_update([0]).chain_update(text).finalize().into()
        };
        Self([key("account", name), key("address", &network(address))])
    }
}

/// Who has one address of the sixth version has very many.
fn network(address: &str) -> String {
    match address.parse() {
        Ok(IpAddr::V6(address)) if address.to_ipv4_mapped().is_none() => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}")
        }
        Ok(IpAddr::V6(address)) => address.to_ipv4_mapped().map(|address| address.to_string()).unwrap_or_default(),
        _ => address.to_owned(),
    }
}

impl Guesses {
    /// An attempt begins, unless it has to wait.
    ///
    /// # Errors
    /// How long it has to wait.
    pub(crate) fn begin(&self, name: &str, address: &str, now: Millis) -> Result<Attempt, Delay> {
        let attempt = Attempt::new(name, address);
        let mut counts = self.counts();
        let until = attempt.0.iter().filter_map(|key| counts.get(key)).map(|count| count.until).max();
        if let Some(until) = until.filter(|until| *until > now) {
            let mut is_first = false;
            for key in &attempt.0 {
                if let Some(count) = counts.get_mut(key).filter(|count| count.until > now) {
                    is_first |= !std::mem::replace(&mut count.is_told, true);
                }
            }
            return Err(Delay { wait: until - now, is_first });
        }
        for key in attempt.0 {
            make_room(&mut counts, now);
            let count = counts.entry(key).or_default();
            if count.last + FORGOTTEN <= now {
                *count = Count::default();
            }
            let failures = count.failures.saturating_add(1);
            *count = Count { failures, last: now, until: now + wait(failures), is_told: false };
        }
        Ok(attempt)
    }

    /// It was no guess: the account's failures are forgotten, and of the address this one. All of the address would let
    /// those guess on who have an account of their own.
    pub(crate) fn succeed(&self, Attempt([account, address]): Attempt) {
        let mut counts = self.counts();
        counts.remove(&account);
        take_back(&mut counts, &address);
    }

    /// It was no failure, and no success yet.
    pub(crate) fn take_back(&self, attempt: Attempt) {
        let mut counts = self.counts();
        attempt.0.iter().for_each(|key| take_back(&mut counts, key));
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<Key, Count>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn take_back(counts: &mut HashMap<Key, Count>, key: &Key) {
    if let Some(count) = counts.get_mut(key) {
        count.failures = count.failures.saturating_sub(1);
        count.until = count.last;
    }
}

/// Doubles with each failure: 1 s after the fifth.
fn wait(failures: u32) -> Millis {
    match failures.checked_sub(FREE) {
        None => 0,
        Some(more) => LONGEST.min(1_000 << more.min(20)),
    }
}

fn make_room(counts: &mut HashMap<Key, Count>, now: Millis) {
    if counts.len() < MOST {
        return;
    }
    counts.retain(|_, count| count.last + FORGOTTEN > now);
    if counts.len() < MOST {
        return;
    }
    // Many at once, so that a flood does not have us look through all of them for each.
    let rank = |count: &Count| (count.failures, count.last);
    let mut ranks: Vec<_> = counts.values().map(rank).collect();
    let (_, last, _) = ranks.select_nth_unstable(MOST / 8);
    let (last, mut left) = (*last, MOST / 8);
    counts.retain(|_, count| {
        let goes = left > 0 && rank(count) <= last;
        left -= usize::from(goes);
        !goes
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_795_000_000_000;

    #[test]
    fn waits_grow_from_the_fifth_failure_on() {
        let guesses = Guesses::default();
        let (mut now, mut waits) = (NOW, Vec::new());
        for _ in 0..15 {
            let waited = guesses.begin("ann", "10.0.0.1", now).err().map_or(0, |delay| delay.wait);
            waits.push(waited);
            now += waited;
            if waited > 0 {
                assert!(guesses.begin("ann", "10.0.0.1", now).is_ok(), "after the wait it goes on");
            }
        }
        let (s, longest) = (1_000, LONGEST);
        let doubled = [s, 2 * s, 4 * s, 8 * s, 16 * s, 32 * s, 64 * s, 128 * s, 256 * s, longest];
        assert_eq!(waits, [[0; 5].as_slice(), &doubled].concat());
        assert!(guesses.begin("ann", "10.0.0.2", now).is_err(), "the account waits, from wherever one asks");
        assert!(guesses.begin("bob", "10.0.0.1", now).is_err(), "so does the address");
        assert!(guesses.begin("bob", "10.0.0.2", now).is_ok());
        assert!(guesses.begin("ann", "10.0.0.1", now + FORGOTTEN).is_ok());
    }

    #[test]
    fn each_wait_is_told_once() {
        let guesses = Guesses::default();
        for _ in 0..5 {
            guesses.begin("ann", "a", NOW).unwrap();
        }
        let told: Vec<bool> = (0..3).map(|_| guesses.begin("ann", "a", NOW).err().unwrap().is_first).collect();
        assert_eq!(told, [true, false, false]);
        guesses.begin("ann", "a", NOW + 1_000).unwrap();
        assert!(guesses.begin("ann", "a", NOW + 1_000).err().unwrap().is_first, "another wait");
    }

    #[test]
    fn success_forgets_the_account_and_one_of_the_address() {
        let guesses = Guesses::default();
        for _ in 0..3 {
            guesses.begin("bob", "a", NOW).unwrap();
        }
        let own = guesses.begin("ann", "a", NOW).unwrap();
        guesses.succeed(own);
        guesses.begin("bob", "a", NOW).unwrap();
        guesses.begin("eve", "a", NOW).unwrap();
        assert!(guesses.begin("eve", "a", NOW).is_err(), "an account of one's own is no way to guess on");
        for _ in 0..9 {
            guesses.take_back(guesses.begin("ada", "b", NOW).unwrap());
        }
    }

    #[test]
    fn it_takes_no_more_room_however_many_there_are() {
        let guesses = Guesses::default();
        for _ in 0..5 {
            guesses.begin("ann", "a", NOW).unwrap();
        }
        for stranger in 0..MOST {
            let address = format!("10.{}.{}.1", stranger / 256, stranger % 256);
            guesses.begin(&format!("stranger {stranger}"), &address, NOW).unwrap();
        }
        assert!(guesses.counts().len() <= MOST);
        assert!(guesses.begin("ann", "b", NOW).is_err(), "who failed most is kept");
    }

    #[test]
    fn a_network_of_the_sixth_version_is_one() {
        let cases = [
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
            ("::ffff:10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("", "", true),
        ];
        for (one, other, same) in cases {
            assert_eq!(network(one) == network(other), same, "{one} {other}");
        }
    }
}
