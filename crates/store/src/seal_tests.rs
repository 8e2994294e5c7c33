use super::*;

const OTHER: Column = Column { table: "secret", row: "name", value: "other" };

fn key(byte: u8) -> Key {
    Key::new([byte; KEY_BYTES])
}

#[test]
fn what_was_sealed_opens_for_its_row_and_key_alone() {
    let sealed = key(1).seal(b"value", &SECRET, "A").unwrap();
    assert_eq!(key(1).open(&sealed, &SECRET, "A").unwrap().expose_secret(), b"value");
    let code = |result: Result<SecretSlice<u8>, Problem>| result.map(|_| ()).unwrap_err().code;
    assert_eq!(code(key(1).open(&sealed, &SECRET, "B")), "seal_broken");
    assert_eq!(code(key(1).open(&sealed, &OTHER, "A")), "seal_broken");
    assert_eq!(code(key(2).open(&sealed, &SECRET, "A")), "store_key_wrong");
    // Two values differ in their nonces, so nobody sees that they are the same.
    assert_ne!(key(1).seal(b"value", &SECRET, "A").unwrap(), sealed);
}

#[test]
fn no_byte_can_be_changed_and_nothing_cut_off() {
    let sealed = key(1).seal(b"value", &SECRET, "A").unwrap();
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert!(key(1).open(&changed, &SECRET, "A").is_err(), "byte {at}");
        assert!(key(1).open(&sealed[..at], &SECRET, "A").is_err(), "cut to {at}");
    }
}

#[test]
fn rows_cannot_be_taken_for_each_other() {
    let twin = Column { table: "secret\0value", row: "", value: "" };
    assert_ne!(about(&SECRET, "A\0B"), about(&SECRET, "A"));
    assert_ne!(about(&twin, "A"), about(&SECRET, "A"));
}

#[test]
fn a_key_is_read_in_every_way_it_is_written() {
    let bytes: [u8; KEY_BYTES] = std::array::from_fn(|at| 255 - at as u8);
    let standard = base64::prelude::BASE64_STANDARD.encode(bytes);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let forms = [
        standard.clone(),
        standard.trim_end_matches('=').to_owned(),
        base64::prelude::BASE64_URL_SAFE.encode(bytes),
        base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(bytes),
        hex.clone(),
        hex.to_uppercase(),
        Key::new(bytes).to_text().expose_secret().to_owned(),
    ];
    for form in forms {
        assert_eq!(Key::parse(&form).unwrap().id(), Key::new(bytes).id(), "{form}");
    }
    for wrong in ["", "x", &standard[1..], &hex[2..], &format!("{hex}00"), "ключ"] {
        let problem = Key::parse(wrong).unwrap_err();
        assert_eq!(problem.code, "store_key_malformed");
        assert!(wrong.len() < 4 || !problem.to_string().contains(wrong), "{problem}");
    }
}

#[test]
fn a_ring_opens_what_any_of_its_keys_sealed() {
    let [old, new] = [key(1), key(2)];
    let text = format!("# keys\n{}\n{}\n", old.to_text().expose_secret(), new.to_text().expose_secret());
    let ring = Ring::parse(&text).unwrap();
    assert_eq!(ring.keys().len(), 2);
    for key in [&old, &new] {
        let sealed = key.seal(b"v", &SECRET, "A").unwrap();
        assert_eq!(ring.open(&sealed, &SECRET, "A").unwrap().expose_secret(), b"v");
    }
    let foreign = key(3).seal(b"v", &SECRET, "A").unwrap();
    assert_eq!(ring.open(&foreign, &SECRET, "A").map(|_| ()).unwrap_err().code, "store_key_wrong");
    assert_eq!(Ring::parse(" \n# nothing\n").unwrap_err().code, "store_key_malformed");
}

#[test]
fn a_store_knows_its_key_by_its_proof() {
    let proof = key(1).proof().unwrap();
    assert!(key(1).check(&proof).is_ok());
    assert_eq!(key(2).check(&proof).unwrap_err().code, "store_key_wrong");
    // A secret's value is no proof, under whatever name.
    let value = key(1).seal(b"", &SECRET, "1").unwrap();
    assert_eq!(key(1).check(&value).unwrap_err().code, "seal_broken");
}

#[test]
fn nothing_shows_a_key() {
    let shown = format!("{:?} {:?}", key(7), Ring::from(key(7)));
    assert!(!shown.contains(key(7).to_text().expose_secret()) && !shown.contains("7, 7") && !shown.contains("0707"));
}
