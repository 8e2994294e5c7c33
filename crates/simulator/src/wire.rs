//! Text as it stands in a request target.

use std::borrow::Cow;

/// Undoes percent-encoding. `None` where a `%` is not followed by two hex digits, or the bytes are not UTF-8.
pub(crate) fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let byte = if byte == b'%' { hex(rest.next()?)? << 4 | hex(rest.next()?)? } else { byte };
        bytes.push(byte);
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// As [`decode`], for names and values of a query or a form, where `+` is a space.
pub(crate) fn decode_form(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('+') {
        return decode(text);
    }
    decode(&text.replace('+', " ")).map(|text| Cow::Owned(text.into_owned()))
}

/// Names and values of a query or a form, in order; `None` where one cannot be decoded.
pub(crate) fn pairs(text: &str) -> Option<Vec<(Cow<'_, str>, Cow<'_, str>)>> {
    let pieces = text.split('&').filter(|piece| !piece.is_empty());
    pieces
        .map(|piece| {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            Some((decode_form(name)?, decode_form(value)?))
        })
        .collect()
}

/// Whether a path or query holds only what RFC 3986 lets stand there unencoded.
pub(crate) fn is_clean(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&byte))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_what_is_well_formed() {
        let cases = [
            ("plain", Some("plain")),
            ("a%20b%2Fc%2fd", Some("a b/c/d")),
            ("%F0%9F%8C%AC", Some("🌬")),
            ("a+b", Some("a+b")),
            ("%", None),
            ("%2", None),
            ("%2g", None),
            ("%+1", None),
            ("%FF", None),
        ];
        for (text, expected) in cases {
            assert_eq!(decode(text).as_deref(), expected, "{text}");
        }
        assert_eq!(decode_form("a+b%2B").as_deref(), Some("a b+"));
    }

    #[test]
    fn splits_pairs() {
        let pairs = pairs("a=1&a=2&&b&c=x=y&%26=%3D").unwrap();
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(pairs, [("a", "1"), ("a", "2"), ("b", ""), ("c", "x=y"), ("&", "=")]);
        assert_eq!(super::pairs("a=%"), None);
    }

    #[test]
    fn knows_what_must_be_encoded() {
        assert!(is_clean("/v1/models/ft:a@b+c,d;e=f~g%20?x='(!)*$'"));
        for character in ['[', ']', '|', '^', '{', '}', '`', '"', '<', ' ', '\\', 'é'] {
            assert!(!is_clean(&format!("a{character}")), "{character}");
        }
    }
}
