//! Every slot of every operation has a list to choose from, or a reason why not.

use connectors::mistral::catalogue::catalogue;
use connectors::openapi::catalogue::Location;
use connectors::openapi::choices::{of, unused};
use connectors::openapi::example::{Fill, example};
use connectors::openapi::normal::FIRST;
use serde_json::{Map, Value};

#[test]
fn every_slot_has_choices_or_a_reason() {
    let (mut chosen, mut reasons) = (0, Vec::new());
    for entry in &catalogue().operations {
        let slots = entry.parameters.iter().filter(|one| one.location == Location::Path);
        for slot in slots {
            let place = format!("{} {{{}}}", entry.path, slot.name);
            match of(catalogue(), entry, &slot.name) {
                Ok(found) => {
                    chosen += 1;
                    // An item as the document describes it has a value to choose.
                    let answer = found.list.answers.iter().find_map(|answer| answer.schema.as_ref()).unwrap();
                    let page = example(&catalogue().resolved(answer), 3, Fill::Everything);
                    let items = page.pointer(found.list.items.as_deref().unwrap()).and_then(Value::as_array);
                    // Tools of a connector are described as anything.
                    if slot.name != "tool_name" {
                        assert!(!found.read(items.unwrap()).is_empty(), "{place}: {items:?}");
                    }
                    // What the list asks for is filled in before the slot.
                    let filled = slots_before(&entry.path, &slot.name);
                    assert!(found.request(&filled).is_ok(), "{place}");
                }
                Err(why) => reasons.push(format!("{place}: {why}")),
            }
        }
    }
    reasons.sort();
    let expected = include_str!("choices.txt");
    assert_eq!(reasons.join("\n"), expected.trim(), "no choices");
    assert_eq!((chosen, reasons.len()), (199, 14));
}

/// A value for each slot before this one.
fn slots_before(path: &str, slot: &str) -> Map<String, Value> {
    let before = path.split_once(&format!("{{{slot}}}")).unwrap().0;
    let slots = before.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    slots.map(|slot| (slot.to_owned(), "a".into())).collect()
}

#[test]
fn what_is_kept_by_hand_fits_the_catalogue() {
    assert_eq!(unused(catalogue()), Vec::<String>::new());
    for (title, fields) in FIRST {
        let entry = catalogue().find(None, title).unwrap();
        let body = catalogue().resolved(&entry.body.as_ref().unwrap().schema).to_string();
        for field in fields {
            assert!(body.contains(&format!("\"{field}\":")), "{title}: {field}");
        }
    }
}
