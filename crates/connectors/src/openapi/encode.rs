//! Percent-encoding, exactly.

/// What else than letters, digits and `-._~` stands in a path as it is: the rest of RFC 3986's `pchar`. So `+`, `:`
/// and `@` stay, while a space is `%20`, and `/`, `\`, `[`, `]`, `|`, `^`, `{`, `}` and the backquote are encoded.
const SEGMENT: &[u8] = b"!$&'()*+,;=:@";

/// A value as one segment of a path.
#[must_use]
pub fn segment(text: &str) -> String {
    encoded(text, SEGMENT)
}

/// A name or value of the query string: everything but letters, digits and `-._~` is encoded, so that no reader can
/// take it for anything else; a space is `%20`.
#[must_use]
pub fn query(text: &str) -> String {
    encoded(text, b"")
}

fn encoded(text: &str, also: &[u8]) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || also.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    out
}
