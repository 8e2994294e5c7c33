//! No value of a slot leads to another path, whatever it is made of.

use super::operation;
use connectors::mistral::catalogue::catalogue;
use connectors::openapi::catalogue::Location;
use connectors::openapi::example::{Fill, example_request};
use model::http::Preflight;
use serde_json::Value;
use url::Url;

/// One form a line, as JSON, so that what cannot be seen can be written.
const FORMS: &str = include_str!("traversal.jsonl");
const BASE: &str = "https://service.example";

#[test]
fn a_slot_takes_one_name_and_stays_in_its_place() {
    let forms: Vec<Value> = FORMS.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(forms.len() >= 80, "{}", forms.len());
    let (mut refused, mut contained) = (0, 0);
    for entry in &catalogue().operations {
        let slots: Vec<&str> =
            entry.parameters.iter().filter(|one| one.location == Location::Path).map(|one| one.name.as_str()).collect();
        if slots.is_empty() {
            continue;
        }
        let own = operation(entry.method.as_str(), &entry.title);
        let mut request = example_request(entry, catalogue(), 7, Fill::Smallest);
        for slot in &slots {
            request.path.insert((*slot).to_owned(), "plain".into());
        }
        for slot in &slots {
            for form in &forms {
                let mut tried = request.clone();
                tried.path.insert((*slot).to_owned(), form.clone());
                let place = format!("{} {slot} {form}", entry.path);
                let Ok(prepared) = own.prepare(&tried, Preflight::Off) else {
                    refused += 1;
                    continue;
                };
                // As the client that sends it reads the address.
                let url = Url::parse(&format!("{BASE}{}", prepared.http.target)).unwrap();
                assert_eq!(
                    (url.scheme(), url.host_str(), url.fragment()),
                    ("https", Some("service.example"), None),
                    "{place}"
                );
                let sent: Vec<&str> = url.path().split('/').collect();
                let meant: Vec<&str> = entry.path.split('/').collect();
                assert_eq!(sent.len(), meant.len(), "{place}: {url}");
                for (sent, meant) in sent.iter().zip(meant) {
                    let is_slot = meant.starts_with('{');
                    assert!(is_slot && !sent.is_empty() || *sent == meant, "{place}: {url}");
                    let plain = sent.to_ascii_lowercase();
                    assert!(![".", "..", "%2e", "%2e%2e", ".%2e", "%2e."].contains(&&*plain), "{place}: {url}");
                    assert!(!plain.contains("%2f") || !is_slot, "{place}: {url}");
                }
                contained += 1;
            }
        }
    }
    assert!(refused > 5_000 && contained > 5_000, "{refused} refused, {contained} contained");
}
