//! What of an answer's headers is recorded.

use bytes::Bytes;
use serde::Serializer;
use std::borrow::Cow;

/// Headers whose values open doors: recorded as present, never with their value.
const SECRET: [&str; 6] =
    ["authorization", "cookie", "proxy-authenticate", "proxy-authorization", "set-cookie", "x-api-key"];

/// The headers as a JSON object; a repeated header's values are joined as HTTP allows (RFC 9110, 5.3).
#[must_use]
pub fn redact_headers(headers: &[(String, String)]) -> Bytes {
    let mut shown: Vec<(&str, Cow<'_, str>)> = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        let value = if SECRET.contains(&name.as_str()) { "[redacted]" } else { value.as_str() };
        match shown.iter_mut().find(|(before, _)| before == name) {
            Some((_, before)) => *before = Cow::Owned(format!("{before}, {value}")),
            None => shown.push((name, Cow::Borrowed(value))),
        }
    }
    let mut text = Vec::with_capacity(512);
    // Texts into memory: nothing that could fail.
    let _ = serde_json::Serializer::new(&mut text).collect_map(shown);
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_named_and_not_shown() {
        let headers = [("set-cookie", "s=1"), ("x-a", "1"), ("x-a", "2"), ("date", "now")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let text = redact_headers(&headers);
        assert_eq!(text, r#"{"set-cookie":"[redacted]","x-a":"1, 2","date":"now"}"#);
    }
}
