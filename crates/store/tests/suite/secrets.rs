//! Secrets, sealed, and the key that seals them.

use super::{Bench, Fixture, NOW};
use store::seal::{KEY_BYTES, Key, Ring, SECRET, key_of};
use store::{AuditEntry, AuditFilter, NewSecret, Person, Secrets, SignIn, Store, StoreError};

fn key(byte: u8) -> Key {
    Key::new([byte; KEY_BYTES])
}

fn did(what: &str, at: i64) -> AuditEntry {
    let (who, origin) = (format!("ann-{at}"), "127.0.0.1".to_owned());
    AuditEntry { id: 0, at, who, origin, what: what.to_owned(), subject: String::new(), details: None }
}

async fn set<S: Store>(store: &S, key: &Key, name: &str, value: &str, at: i64) -> Result<(), StoreError> {
    let value = key.sealed(value.as_bytes(), &SECRET, name).unwrap();
    store.write_secret(NewSecret { name: name.to_owned(), value }, did("secret.set", at)).await
}

/// Every secret with its value, opened by these keys.
async fn opened<S: Store>(store: &S, ring: &Ring) -> Vec<(String, Result<String, String>)> {
    use secrecy::ExposeSecret as _;
    let open = |secret: store::StoredSecret| {
        let value = ring.open(&secret.value, &SECRET, &secret.name);
        let text = value.map(|value| String::from_utf8(value.expose_secret().to_vec()).unwrap());
        (secret.name, text.map_err(|problem| problem.code.into_owned()))
    };
    store.secrets().await.unwrap().into_iter().map(open).collect()
}

fn known(pairs: &[(&str, &str)]) -> Vec<(String, Result<String, String>)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), Ok((*value).to_owned()))).collect()
}

fn code(result: Result<impl std::fmt::Debug, StoreError>) -> String {
    result.unwrap_err().problem().code.into_owned()
}

pub(crate) async fn secrets_are_kept_and_recorded<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let store = bench.store();
    assert_eq!(store.secrets().await.unwrap(), []);
    assert_eq!(store.sealing().await.unwrap(), None, "nothing was sealed, so no key is known");
    set(store, &key(1), "B", "second", NOW).await.unwrap();
    set(store, &key(1), "A", "first", NOW + 1).await.unwrap();
    set(store, &key(1), "B", "third", NOW + 2).await.unwrap();
    let secrets = store.secrets().await.unwrap();
    let times: Vec<_> = secrets.iter().map(|one| (one.name.as_str(), one.created_at, one.rotated_at)).collect();
    assert_eq!(times, [("A", NOW + 1, NOW + 1), ("B", NOW, NOW + 2)]);
    assert_eq!(secrets[1].by, format!("ann-{}", NOW + 2));
    let sealing = store.sealing().await.unwrap().unwrap();
    assert_eq!(sealing.revision, 3);
    key(1).check(&sealing.proof).unwrap();

    assert!(store.delete_secret("A".to_owned(), did("secret.delete", NOW + 3)).await.unwrap());
    assert!(!store.delete_secret("A".to_owned(), did("secret.delete", NOW + 4)).await.unwrap());
    assert!(store.sealing().await.unwrap().unwrap().revision > 3, "who holds values sees that they changed");
    let recorded = store.find_audit(AuditFilter { limit: 10, ..AuditFilter::default() }).await.unwrap();
    let recorded: Vec<_> = recorded.iter().map(|entry| (entry.what.as_str(), entry.at)).collect();
    let expected = [("secret.delete", NOW + 3), ("secret.set", NOW + 2), ("secret.set", NOW + 1), ("secret.set", NOW)];
    assert_eq!(recorded, expected);

    let bench = bench.kill().await;
    assert_eq!(opened(bench.store(), &key(1).into()).await, known(&[("B", "third")]));
}

pub(crate) async fn a_store_has_one_key_at_a_time<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let store = bench.store();
    assert_eq!(store.reseal(key(1), key(2), did("secret.rotate", NOW)).await.unwrap(), 0, "nothing is sealed");
    set(store, &key(1), "A", "first", NOW).await.unwrap();
    set(store, &key(1), "B", "second", NOW).await.unwrap();
    assert_eq!(code(set(store, &key(2), "A", "other", NOW).await), "store_key_changed");
    assert_eq!(code(store.reseal(key(2), key(3), did("secret.rotate", NOW)).await), "store_key_changed");

    assert_eq!(store.reseal(key(1), key(2), did("secret.rotate", NOW + 1)).await.unwrap(), 2);
    assert_eq!(code(set(store, &key(1), "A", "late", NOW).await), "store_key_changed");
    assert_eq!(code(store.reseal(key(1), key(2), did("secret.rotate", NOW)).await), "store_key_changed");
    let sealing = store.sealing().await.unwrap().unwrap();
    key(2).check(&sealing.proof).unwrap();
    set(store, &key(2), "C", "third", NOW).await.unwrap();

    let bench = bench.kill().await;
    let all = known(&[("A", "first"), ("B", "second"), ("C", "third")]);
    assert_eq!(opened(bench.store(), &key(2).into()).await, all);
}

pub(crate) async fn a_value_in_another_row_does_not_open<F: Fixture>() {
    let bench = Bench::<F>::new().await;
    let store = bench.store();
    set(store, &key(1), "A", "first", NOW).await.unwrap();
    let value = key(1).sealed(b"first", &SECRET, "A").unwrap();
    let swapped = NewSecret { name: "B".to_owned(), value };
    store.write_secret(swapped, did("secret.set", NOW)).await.unwrap();
    assert_eq!(opened(store, &key(1).into()).await[1].1, Err("seal_broken".to_owned()));

    let refused = store.reseal(key(1), key(2), did("secret.rotate", NOW)).await.unwrap_err().problem();
    assert_eq!((&*refused.code, refused.place.as_str()), ("seal_broken", "secret.B"));
    let values = store.secrets().await.unwrap();
    assert!(values.iter().all(|secret| key_of(&secret.value).unwrap() == key(1).id()), "all of it or nothing");
    assert!(key(1).check(&store.sealing().await.unwrap().unwrap().proof).is_ok());
}

/// Whatever is sealed goes with the key, and nobody brings an old one back.
pub(crate) async fn a_second_factor_is_resealed_too<F: Fixture>() {
    use secrecy::ExposeSecret as _;
    use store::seal::FACTOR;
    let bench = Bench::<F>::new().await;
    let store = bench.store();
    let ann = Person {
        name: "ann".to_owned(),
        role: model::Role::Admin,
        sees_payloads: true,
        is_disabled: false,
        created_at: NOW,
    };
    store.write_person(ann, did("person.write", NOW)).await.unwrap();
    let sealed = |key: &Key| key.sealed(b"made from this", &FACTOR, "ann").unwrap();
    assert!(store.offer_factor("ann".to_owned(), sealed(&key(1))).await.unwrap());
    assert_eq!(code(store.offer_factor("ann".to_owned(), sealed(&key(2))).await), "store_key_changed");
    set(store, &key(1), "A", "first", NOW).await.unwrap();
    assert_eq!(store.reseal(key(1), key(2), did("secret.rotate", NOW)).await.unwrap(), 2);
    let factor = store.credentials("ann".to_owned()).await.unwrap().unwrap().factor.unwrap();
    assert_eq!(key(2).open(&factor.sealed, &FACTOR, "ann").unwrap().expose_secret(), b"made from this");
    assert_eq!(code(store.offer_factor("ann".to_owned(), sealed(&key(1))).await), "store_key_changed");
}
