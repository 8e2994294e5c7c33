use super::*;
use std::os::unix::fs::PermissionsExt as _;

fn keys(folder: &Path) -> Keys {
    Keys { source: Source::Folder(folder.join(FILE)), held: Mutex::default() }
}

fn given(texts: &[&Key]) -> Keys {
    let texts: Vec<_> = texts.iter().map(|key| key.to_text().expose_secret().to_owned()).collect();
    Keys { source: Source::Environment(texts.join(" ").into()), held: Mutex::default() }
}

fn key(byte: u8) -> Key {
    Key::new([byte; 32])
}

fn ids(ring: Option<Ring>) -> Vec<KeyId> {
    ring.unwrap_or_default().keys().iter().map(Key::id).collect()
}

#[tokio::test]
async fn a_first_key_is_made_once_and_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let first = keys(folder.path()).first().await.unwrap();
    assert_eq!(keys(folder.path()).first().await.unwrap().id(), first.id());
    // Who comes at the same moment takes the one that is there.
    make(&folder.path().join(FILE), &key(1)).unwrap();
    assert_eq!(ids(keys(folder.path()).read().await.unwrap()), [first.id()]);
    let mode = fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[tokio::test]
async fn a_change_goes_on_where_it_was_cut() {
    let folder = tempfile::tempdir().unwrap();
    let old = keys(folder.path()).first().await.unwrap();
    // Cut before anything was resealed: the same new key is taken again.
    let begun = keys(folder.path()).begin_change(old.clone()).await.unwrap().unwrap();
    let again = keys(folder.path()).begin_change(old.clone()).await.unwrap().unwrap();
    assert_eq!((again.from.id(), again.to.id()), (old.id(), begun.to.id()));
    assert_eq!(ids(keys(folder.path()).read().await.unwrap()), [old.id(), begun.to.id()]);
    // Cut afterwards: nothing is left but to forget the old one.
    assert!(keys(folder.path()).begin_change(begun.to.clone()).await.unwrap().is_none());
    keys(folder.path()).end_change(&begun.to).unwrap();
    assert_eq!(ids(keys(folder.path()).read().await.unwrap()), [begun.to.id()]);
}

#[tokio::test]
async fn given_keys_are_changed_in_their_order() {
    let [old, new] = [key(1), key(2)];
    let change = given(&[&old, &new]).begin_change(old.clone()).await.unwrap().unwrap();
    assert_eq!(change.to.id(), new.id());
    assert!(given(&[&old, &new]).begin_change(new).await.unwrap().is_none(), "it is done, and not undone");
    let refused = given(&[&old]).begin_change(old.clone()).await.unwrap_err();
    assert_eq!(refused.code, "store_key_single");
}

#[tokio::test]
async fn a_running_process_finds_a_key_that_came_later() {
    let folder = tempfile::tempdir().unwrap();
    let running = keys(folder.path());
    let old = running.first().await.unwrap();
    running.find(old.id()).await.unwrap();
    let change = keys(folder.path()).begin_change(old.clone()).await.unwrap().unwrap();
    assert_eq!(running.find(change.to.id()).await.unwrap().id(), change.to.id());
    assert_eq!(running.find(key(9).id()).await.unwrap_err().code, "store_key_wrong");
    fs::remove_file(folder.path().join(FILE)).unwrap();
    assert_eq!(keys(folder.path()).find(old.id()).await.unwrap_err().code, "store_key_missing");
}

#[test]
fn one_change_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let turn = keys(folder.path()).turn().unwrap();
    assert_eq!(keys(folder.path()).turn().unwrap_err().code, "store_key_held");
    drop(turn);
    keys(folder.path()).turn().unwrap();
}
