//! Payloads as they are shown: the first few, each as far as it is short.

use serde_json::Value;

/// How many payloads of a step are shown.
pub const SHOWN: usize = 10;
/// How much of one is shown, in bytes of its JSON text.
const LONGEST: usize = 64 << 10;
/// How much of all of them together.
const ALL: usize = 8 << 20;

/// What may still be shown, in bytes.
pub(super) fn room() -> usize {
    ALL
}

/// Some payloads.
#[derive(Clone, Debug, Default)]
pub struct Payloads {
    /// How many there are.
    pub count: usize,
    /// The first [`SHOWN`].
    pub items: Vec<Shown>,
}

/// A value.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The length of its JSON text.
    pub bytes: usize,
    /// The value; `None` where it is too long.
    pub value: Option<Value>,
    /// The beginning of its JSON text, where it is too long.
    pub beginning: Option<String>,
}

impl Payloads {
    pub(super) fn add(&mut self, payloads: &[Value], room: &mut usize) {
        self.count += payloads.len();
        let places = SHOWN.saturating_sub(self.items.len());
        self.items.extend(payloads.iter().take(places).map(|payload| Shown::of(payload, room)));
    }
}

impl Shown {
    pub(super) fn of(value: &Value, room: &mut usize) -> Self {
        let text = value.to_string();
        let may = LONGEST.min(*room);
        *room -= text.len().min(may);
        if text.len() <= may {
            return Self { bytes: text.len(), value: Some(value.clone()), beginning: None };
        }
        let end = (0..=may).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        Self { bytes: text.len(), value: None, beginning: Some(text[..end].to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_long_is_cut_and_its_length_said() {
        let mut room = room();
        let (short, long) = (json!({ "a": 1 }), Value::from("é".repeat(LONGEST)));
        let shown = Shown::of(&short, &mut room);
        assert_eq!((shown.bytes, shown.value, shown.beginning), (7, Some(short.clone()), None));
        let cut = Shown::of(&long, &mut room);
        assert_eq!((cut.bytes, cut.value), (2 * LONGEST + 2, None));
        // A letter of two bytes begins at each odd byte behind the quote.
        assert_eq!(cut.beginning.unwrap().len(), LONGEST - 1);
        let mut little = 3;
        assert_eq!(Shown::of(&short, &mut little).beginning.unwrap(), "{\"a");
        assert_eq!(Shown::of(&short, &mut little).beginning.unwrap(), "", "the room is used up");
    }

    #[test]
    fn the_first_few_are_shown_and_all_are_counted() {
        let mut payloads = Payloads::default();
        let mut room = room();
        for _ in 0..3 {
            payloads.add(&[json!(1), json!(2), json!(3), json!(4)], &mut room);
        }
        assert_eq!((payloads.count, payloads.items.len()), (12, SHOWN));
    }
}
