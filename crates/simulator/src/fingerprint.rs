//! Numbers that depend on content alone, so that the same request gets the same answer.

use serde_json::Value;

/// A number of a value, whatever the order of its objects' members.
pub(crate) fn of(value: &Value) -> u64 {
    match value {
        Value::Null => 1,
        Value::Bool(value) => 2 + u64::from(*value),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => mix(5 ^ whole.cast_unsigned()),
            (None, fraction) => mix(7 ^ fraction.unwrap_or(0.0).to_bits()),
        },
        Value::String(text) => text_of(text),
        Value::Array(items) => items.iter().fold(11, |sum, item| mix(sum ^ of(item))),
        Value::Object(members) => {
            let one = |(name, value): (&String, &Value)| mix(text_of(name).rotate_left(7) ^ of(value));
            mix(members.iter().map(one).fold(13, u64::wrapping_add))
        }
    }
}

/// A number of a text.
pub(crate) fn text_of(text: &str) -> u64 {
    bytes_of(text.as_bytes())
}

/// A number of bytes: eight at a time, since bodies may be megabytes.
pub(crate) fn bytes_of(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let sum = words.iter().fold(bytes.len() as u64, |sum, word| mix(sum ^ u64::from_le_bytes(*word)));
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix(sum ^ u64::from_le_bytes(last))
}

/// Spreads a number over all its bits: the finaliser of splitmix64.
pub(crate) fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// A UUID (version 4 in form) of a number.
pub(crate) fn uuid(number: u64) -> String {
    let (high, low) = (mix(number), mix(number ^ 0x5555_5555_5555_5555));
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn order_of_members_does_not_matter_and_all_else_does() {
        let first = json!({"a": [1, {"b": "x", "c": null}], "d": 1.5});
        let same: Value = serde_json::from_str(r#"{"d": 1.5, "a": [1, {"c": null, "b": "x"}]}"#).unwrap();
        assert_eq!(of(&first), of(&same));
        let others = [
            json!({"a": [1, {"b": "x", "c": null}], "d": 1.25}),
            json!({"a": [{"b": "x", "c": null}, 1], "d": 1.5}),
            json!({"a": [1, {"b": "x", "c": false}], "d": 1.5}),
            json!({"a": [1, {"b": null, "c": "x"}], "d": 1.5}),
            json!({"a": [1, {"b": "x"}], "d": 1.5}),
            json!({}),
            json!([]),
            json!("12345678"),
            json!("123456789"),
            json!("12345678\u{0}"),
        ];
        let mut seen = std::collections::HashSet::from([of(&first)]);
        for other in others {
            assert!(seen.insert(of(&other)), "{other}");
        }
    }
}
