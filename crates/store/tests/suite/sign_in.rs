//! How people sign in.

use super::access::audited;
use super::{Bench, Fixture, NOW};
use model::Role;
use store::seal::{FACTOR, Key, Sealed};
use store::{AuditFilter, LinkUse, NewLink, NewSession, Person, Settings, SignIn, Store, WaysIn};

/// So long a link or session counts here.
const HOUR: i64 = 3_600_000;

async fn add<F: Fixture>(bench: &Bench<F>, name: &str, role: Role) {
    let person = Person { name: name.to_owned(), role, sees_payloads: true, is_disabled: false, created_at: NOW };
    bench.store().write_person(person, audited("person.write", NOW)).await.unwrap();
}

fn session(person: &str, byte: u8) -> NewSession {
    NewSession {
        person: person.to_owned(),
        hash: [byte; 32],
        expires_at: NOW + HOUR,
        unused_since: NOW - HOUR,
        origin: "127.0.0.1".to_owned(),
        agent: "a browser".to_owned(),
        replaces: None,
    }
}

fn link(person: Option<&str>, byte: u8) -> NewLink {
    NewLink { hash: [byte; 32], person: person.map(str::to_owned), expires_at: NOW + HOUR }
}

fn used(person: &str, byte: u8) -> LinkUse {
    LinkUse { hash: [byte; 32], person: person.to_owned(), password: format!("hash {byte}") }
}

/// What was recorded, oldest first.
async fn recorded<F: Fixture>(bench: &Bench<F>) -> Vec<String> {
    let found = bench.store().find_audit(AuditFilter { limit: 1_000, ..AuditFilter::default() }).await.unwrap();
    found.into_iter().rev().map(|entry| entry.what).collect()
}

pub(crate) async fn a_password_ends_what_was_begun_before_it<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let store = bench.store();
    add(&bench, "ann", Role::Admin).await;
    add(&bench, "bob", Role::Viewer).await;
    let set = async |name: &str, hash: &str| {
        store.set_password(name.to_owned(), hash.to_owned(), audited("password.set", NOW)).await.unwrap()
    };
    assert!(!set("eve", "hash").await, "nobody of that name");
    assert_eq!(store.credentials("eve".to_owned()).await.unwrap(), None);
    assert_eq!(store.credentials("ann".to_owned()).await.unwrap().unwrap().password, None);
    assert!(set("ann", "one").await && set("bob", "other").await);
    for (name, byte) in [("ann", 1), ("ann", 2), ("bob", 3)] {
        store.begin_session(session(name, byte), audited("session.begin", NOW)).await.unwrap();
    }
    assert!(store.add_link(link(Some("ann"), 4), audited("link.add", NOW)).await.unwrap());
    assert!(set("ann", "two").await);
    let bench = bench.kill().await;
    let store = bench.store();
    let kept = store.credentials("ann".to_owned()).await.unwrap().unwrap();
    assert_eq!((kept.password.as_deref(), kept.person.name.as_str()), (Some("two"), "ann"));
    let sessions = store.sessions().await.unwrap();
    assert_eq!(sessions.iter().map(|session| session.person.as_str()).collect::<Vec<_>>(), ["bob"]);
    assert_eq!(store.link([4; 32], NOW).await.unwrap(), None);
    let way = |person: &str, has_password| WaysIn { person: person.to_owned(), has_password, has_factor: false };
    assert_eq!(store.ways_in().await.unwrap(), [way("ann", true), way("bob", true)]);
    // Who is disabled is signed out.
    let bob = Person { name: "bob".to_owned(), is_disabled: true, role: Role::Viewer, ..kept.person };
    store.write_person(bob, audited("person.disable", NOW)).await.unwrap();
    assert_eq!(store.sessions().await.unwrap(), []);
    let written = ["person.write", "person.write", "password.set", "password.set"];
    let begun = ["session.begin", "session.begin", "session.begin", "link.add", "password.set", "person.disable"];
    assert_eq!(recorded(&bench).await, [&written[..], &begun[..]].concat());
}

pub(crate) async fn a_link_counts_once<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let store = bench.store();
    add(&bench, "ann", Role::Admin).await;
    assert!(!store.add_link(link(Some("eve"), 1), audited("link.add", NOW)).await.unwrap(), "nobody of that name");
    for byte in [1, 2] {
        assert!(store.add_link(link(Some("ann"), byte), audited("link.add", NOW)).await.unwrap());
    }
    assert_eq!(store.link([1; 32], NOW).await.unwrap(), Some(Some("ann".to_owned())));
    assert_eq!(store.link([1; 32], NOW + HOUR).await.unwrap(), None, "its time is over");
    assert_eq!(store.link([9; 32], NOW).await.unwrap(), None);
    assert!(!store.use_link(used("ann", 1), audited("password.set", NOW + HOUR)).await.unwrap());
    assert!(!store.use_link(used("bob", 1), audited("password.set", NOW)).await.unwrap(), "it is ann's");
    assert!(store.use_link(used("ann", 1), audited("password.set", NOW)).await.unwrap());
    for byte in [1, 2] {
        let again = store.use_link(used("ann", byte), audited("password.set", NOW)).await.unwrap();
        assert!(!again, "neither it nor another that was there");
    }
    let kept = store.credentials("ann".to_owned()).await.unwrap().unwrap();
    assert_eq!(kept.password.as_deref(), Some("hash 1"));
    // Old ones go when new ones come.
    assert!(store.add_link(link(Some("ann"), 3), audited("link.add", NOW)).await.unwrap());
    store.add_link(link(Some("ann"), 4), audited("link.add", NOW + HOUR)).await.unwrap();
    assert_eq!(store.link([3; 32], NOW).await.unwrap(), None);
}

pub(crate) async fn the_first_administrator_is_made_once<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let store = bench.store();
    add(&bench, "eve", Role::Viewer).await;
    for byte in [1, 2] {
        assert!(store.add_link(link(None, byte), audited("link.add", NOW)).await.unwrap());
    }
    assert_eq!(store.link([1; 32], NOW).await.unwrap(), Some(None));
    assert!(store.use_link(used("ann", 1), audited("setup", NOW)).await.unwrap());
    let people = store.people().await.unwrap();
    assert_eq!((people[0].name.as_str(), people[0].role), ("ann", Role::Admin));
    assert!(!store.use_link(used("eve", 2), audited("setup", NOW)).await.unwrap(), "there is one now");
    assert!(store.add_link(link(None, 3), audited("link.add", NOW)).await.unwrap());
    assert!(!store.use_link(used("eve", 3), audited("setup", NOW)).await.unwrap(), "somebody can come in");
    assert_eq!(recorded(&bench).await, ["person.write", "link.add", "link.add", "person.write", "setup", "link.add"]);
}

pub(crate) async fn sessions_are_kept_until_they_end<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let store = bench.store();
    add(&bench, "ann", Role::Admin).await;
    let begin = async |new: NewSession, at| store.begin_session(new, audited("session.begin", at)).await;
    begin(session("ann", 1), NOW).await.unwrap();
    assert!(begin(session("ann", 1), NOW).await.is_err(), "a session is one person's");
    let first = store.signed_in([1; 32]).await.unwrap().unwrap();
    assert_eq!((first.person.name.as_str(), first.session.agent.as_str()), ("ann", "a browser"));
    assert_eq!((first.session.used_at, first.session.expires_at), (NOW, NOW + HOUR));
    assert_eq!(store.signed_in([2; 32]).await.unwrap(), None);
    store.session_used(first.session.id, NOW + 9).await.unwrap();
    store.session_used(first.session.id, NOW + 8).await.unwrap();
    assert_eq!(store.signed_in([1; 32]).await.unwrap().unwrap().session.used_at, NOW + 9);
    // A new one takes the place of one, and those that ended go: by their time, or for not having been used.
    begin(NewSession { replaces: Some(first.session.id), ..session("ann", 2) }, NOW).await.unwrap();
    assert_eq!(store.signed_in([1; 32]).await.unwrap(), None);
    begin(NewSession { expires_at: NOW + 2 * HOUR, ..session("ann", 3) }, NOW).await.unwrap();
    begin(session("ann", 4), NOW + HOUR).await.unwrap();
    assert_eq!(store.signed_in([2; 32]).await.unwrap(), None, "its time was over");
    assert!(store.signed_in([3; 32]).await.unwrap().is_some());
    let later = NewSession { unused_since: NOW, expires_at: NOW + 2 * HOUR, ..session("ann", 5) };
    begin(later, NOW + HOUR).await.unwrap();
    assert_eq!(store.signed_in([3; 32]).await.unwrap(), None, "it was not used");
    let bench = bench.kill().await;
    let sessions = bench.store().sessions().await.unwrap();
    assert_eq!(sessions.last().unwrap().expires_at, NOW + 2 * HOUR);
    let id = sessions.last().unwrap().id;
    assert!(bench.store().end_session(id, audited("session.end", NOW)).await.unwrap());
    assert!(!bench.store().end_session(id, audited("session.end", NOW)).await.unwrap());
    assert_eq!(bench.store().signed_in([5; 32]).await.unwrap(), None);
}

/// What a factor of ann's is made from, sealed.
fn sealed(byte: u8) -> Sealed {
    Key::new([1; 32]).sealed(&[byte], &FACTOR, "ann").unwrap()
}

fn opened(sealed: &[u8]) -> Vec<u8> {
    use secrecy::ExposeSecret as _;
    Key::new([1; 32]).open(sealed, &FACTOR, "ann").unwrap().expose_secret().to_vec()
}

pub(crate) async fn a_factor_is_asked_for_once_it_is_confirmed<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let store = bench.store();
    add(&bench, "ann", Role::Admin).await;
    let offer = async |name: &str, byte| store.offer_factor(name.to_owned(), sealed(byte)).await.unwrap();
    let confirm = async |step| {
        let codes = vec![[1; 32], [2; 32]];
        store.confirm_factor("ann".to_owned(), step, codes, audited("factor.add", NOW)).await.unwrap()
    };
    let factor = async || store.credentials("ann".to_owned()).await.unwrap().unwrap().factor;
    assert!(!confirm(7).await, "none is offered");
    assert!(!offer("eve", 1).await, "nobody of that name");
    assert!(offer("ann", 1).await && offer("ann", 2).await);
    let offered = factor().await.unwrap();
    assert_eq!((opened(&offered.sealed), offered.is_confirmed, offered.codes_left), (vec![2], false, 0));
    assert!(confirm(7).await && !confirm(8).await);
    assert!(!offer("ann", 3).await, "the one that is asked for stays");
    let confirmed = factor().await.unwrap();
    assert_eq!((opened(&confirmed.sealed), confirmed.is_confirmed, confirmed.codes_left), (vec![2], true, 2));
    assert!(store.ways_in().await.unwrap()[0].has_factor);
    let remove = async || store.remove_factor("ann".to_owned(), audited("factor.remove", NOW)).await.unwrap();
    assert!(remove().await && !remove().await);
    assert!(factor().await.is_none() && !store.use_code("ann".to_owned(), [1; 32]).await.unwrap());
    assert_eq!(recorded(&bench).await, ["person.write", "factor.add", "factor.remove"]);
}

pub(crate) async fn steps_and_codes_count_once<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    for name in ["ann", "bob"] {
        add(&bench, name, Role::Admin).await;
        assert!(bench.store().offer_factor(name.to_owned(), sealed(1)).await.unwrap());
    }
    let confirm = |name: &str, code| {
        bench.store().confirm_factor(name.to_owned(), 7, vec![[code; 32]], audited("factor.add", NOW))
    };
    assert!(confirm("ann", 1).await.unwrap() && confirm("bob", 2).await.unwrap());
    let bench = bench.kill().await;
    let step = async |step| bench.store().use_step("ann".to_owned(), step).await.unwrap();
    assert!(!step(7).await, "it confirmed the factor");
    assert!(step(9).await && !step(9).await && !step(8).await && step(10).await);
    let code = async |name: &str, byte| bench.store().use_code(name.to_owned(), [byte; 32]).await.unwrap();
    assert!(!code("ann", 2).await, "it is bob's");
    assert!(code("ann", 1).await && !code("ann", 1).await && code("bob", 2).await);
    assert!(!bench.store().use_step("eve".to_owned(), 9).await.unwrap());
}

pub(crate) async fn a_setting_is_kept<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let set = async |name: &str, value: &str| {
        let audit = audited("setting.write", NOW);
        bench.store().set_setting(name.to_owned(), value.to_owned(), audit).await.unwrap();
    };
    assert_eq!(bench.store().setting("colour".to_owned()).await.unwrap(), None);
    set("colour", "\"red\"").await;
    set("colour", "\"blue\"").await;
    set("other", "1").await;
    let bench = bench.kill().await;
    assert_eq!(bench.store().setting("colour".to_owned()).await.unwrap().as_deref(), Some("\"blue\""));
    assert_eq!(recorded(&bench).await, ["setting.write"; 3]);
}
