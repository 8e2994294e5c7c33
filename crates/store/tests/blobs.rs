//! Blobs as files.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::HashSet;
use std::io::Read as _;
use store::StoreError;
use store::blobs::{BlobId, Blobs};

const NOW: i64 = 1_790_000_000_000;

#[test]
fn only_32_hex_digits_name_a_blob() {
    let good = "0123456789abcdef0123456789abcdef";
    assert_eq!(BlobId::parse(good).unwrap().as_str(), good);
    let bad = [
        "",
        "0",
        &good[1..],
        &format!("{good}0"),
        &good.to_uppercase(),
        "../../../../../../../etc/passwd0",
        "0123456789abcdef/123456789abcdef",
        "0123456789abcdef\x00123456789abcdef",
        "é123456789abcdef0123456789abcde",
    ];
    for text in bad {
        assert!(BlobId::parse(text).is_none(), "{text:?}");
    }
}

#[test]
fn what_is_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::new(folder.path().join("blobs"));
    assert_eq!(blobs.count().unwrap(), (0, 0), "no folder yet");
    let contents = [vec![], vec![7; 3], vec![9; 1 << 20]];
    let mut ids = HashSet::new();
    for content in &contents {
        let (id, length) = blobs.create(NOW, &mut content.as_slice()).unwrap();
        assert_eq!(length, content.len() as u64);
        assert_eq!(blobs.read(&id).unwrap(), content);
        let mut first = Vec::new();
        blobs.open(&id).unwrap().take(2).read_to_end(&mut first).unwrap();
        assert_eq!(first, content[..content.len().min(2)]);
        assert!(BlobId::parse(id.as_str()).is_some());
        ids.insert(id);
    }
    assert_eq!(ids.len(), 3);
    std::fs::write(folder.path().join("blobs/readme"), b"not a blob").unwrap();
    assert_eq!(blobs.count().unwrap(), (3, 3 + (1 << 20)));
}

#[test]
fn age_counts_from_the_time_given() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::new(folder.path());
    let (old, _) = blobs.create(NOW - 1, &mut &b"a"[..]).unwrap();
    let (new, _) = blobs.create(NOW, &mut &b"b"[..]).unwrap();
    assert_eq!(blobs.older_than(NOW).unwrap(), std::slice::from_ref(&old));
    assert!(blobs.delete(&old).unwrap());
    assert!(!blobs.delete(&old).unwrap());
    assert!(matches!(blobs.read(&old).unwrap_err(), StoreError::BlobMissing(id) if id == old.as_str()));
    assert_eq!(blobs.older_than(NOW + 1).unwrap(), [new]);
}

#[test]
fn a_reader_that_fails_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::new(folder.path());
    let broken = std::io::repeat(1).take(100_000);
    struct Broken<R>(R);
    impl<R: std::io::Read> std::io::Read for Broken<R> {
        fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
            match self.0.read(to)? {
                0 => Err(std::io::Error::other("the connection was cut")),
                count => Ok(count),
            }
        }
    }
    let error = blobs.create(NOW, &mut Broken(broken)).unwrap_err();
    assert!(error.to_string().contains("the connection was cut"), "{error}");
    assert_eq!(blobs.count().unwrap(), (0, 0));
}
