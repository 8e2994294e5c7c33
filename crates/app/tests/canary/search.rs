//! Looking for values in everything, however they are written there.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Everything that is searched, by the place that it is from.
#[derive(Default)]
pub(crate) struct Haystack(BTreeMap<String, Vec<u8>>);

impl Haystack {
    pub(crate) fn add(&mut self, place: &str, bytes: &[u8]) {
        let kept = self.0.entry(place.to_owned()).or_default();
        kept.extend_from_slice(bytes);
        kept.push(b'\n');
    }

    /// Every file of a folder, as it is on the disk.
    pub(crate) fn add_folder(&mut self, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.add_folder(&path);
            } else if let Ok(bytes) = fs::read(&path) {
                self.add(path.to_str().unwrap(), &bytes);
            }
        }
    }

    pub(crate) fn has(&self, place: &str, text: &str) -> bool {
        self.0.iter().any(|(name, bytes)| name.contains(place) && find(bytes, text.as_bytes()))
    }

    pub(crate) fn places(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    /// Where which value is, and how it is written there.
    pub(crate) fn hits(&self, values: &[(String, String)]) -> Vec<String> {
        let mut hits = Vec::new();
        for (kind, value) in values {
            for (form, needle) in forms(value) {
                for (place, bytes) in &self.0 {
                    if find(bytes, needle.as_bytes()) {
                        hits.push(format!("{kind}, {form}, in {place}"));
                    }
                }
            }
        }
        hits
    }
}

fn find(bytes: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(bytes, needle).is_some()
}

/// Percent-encoded, as in a URL.
pub(crate) fn percent(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// The ways in which a value may be written.
fn forms(value: &str) -> Vec<(&'static str, String)> {
    let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
    let quoted = serde_json::to_string(value).unwrap();
    let mut forms = vec![
        ("plain", value.to_owned()),
        // Two thirds of a value are as good as all of it.
        ("its beginning", value[..value.len() * 2 / 3].to_owned()),
        ("its end", value[value.len() / 3..].to_owned()),
        ("quoted", quoted.trim_matches('"').to_owned()),
        ("percent-encoded", percent(value)),
        ("percent-encoded, small", percent(value).replace("%2F", "%2f").replace("%2B", "%2b")),
        ("hex", hex.clone()),
        ("hex, large", hex.to_uppercase()),
        ("bytes as numbers", value.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ")),
        ("backwards", value.chars().rev().collect()),
    ];
    // In a longer text its letters depend on where it begins.
    for before in 0..3 {
        let bytes = [&[0; 3][..before], value.as_bytes()].concat();
        let (first, last) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
        forms.push(("base64", BASE64_STANDARD_NO_PAD.encode(&bytes)[first..last].to_owned()));
        forms.push(("base64url", BASE64_URL_SAFE_NO_PAD.encode(&bytes)[first..last].to_owned()));
    }
    forms
}
