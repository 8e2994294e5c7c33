//! `multipart/form-data` (RFC 7578), of a body that is in memory.

use bytes::Bytes;

/// One part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Name of the field.
    pub(crate) name: String,
    /// Name of the file; a field without one is a text.
    pub(crate) filename: Option<String>,
    /// The part's own media type.
    pub(crate) media_type: Option<String>,
    /// The content, a view into the body.
    pub(crate) content: Bytes,
}

/// More parts than any operation has use for.
const MAX_PARTS: usize = 1000;

/// The boundary in a content type's parameters.
pub(crate) fn boundary(content_type: &str) -> Option<&str> {
    let boundary = content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.trim().split_once('=')?;
        name.eq_ignore_ascii_case("boundary").then_some(value.trim_matches('"'))
    })?;
    (!boundary.is_empty() && boundary.len() <= 70).then_some(boundary)
}

/// The parts of a body.
///
/// # Errors
/// What is wrong with the form of the body.
pub(crate) fn parts(body: &Bytes, boundary: &str) -> Result<Vec<Part>, &'static str> {
    let first = format!("--{boundary}");
    let next = format!("\r\n--{boundary}");
    let mut at = if body.starts_with(first.as_bytes()) {
        first.len()
    } else {
        // A preamble, which is ignored.
        find(body, next.as_bytes()).ok_or("the boundary does not occur")? + next.len()
    };
    let mut parts = Vec::new();
    loop {
        let rest = &body[at..];
        if rest.starts_with(b"--") {
            return Ok(parts);
        }
        if !rest.starts_with(b"\r\n") {
            return Err("a boundary is not followed by a line end");
        }
        if parts.len() == MAX_PARTS {
            return Err("there are too many parts");
        }
        let end = at + find(rest, next.as_bytes()).ok_or("the last boundary is missing")?;
        parts.push(part(&body.slice(at + 2..end.max(at + 2)))?);
        at = end + next.len();
    }
}

/// One part: its headers, an empty line, its content.
fn part(text: &Bytes) -> Result<Part, &'static str> {
    let (head, start) = if text.starts_with(b"\r\n") {
        (&text[..0], 2)
    } else {
        let end = find(text, b"\r\n\r\n").ok_or("a part has no empty line after its headers")?;
        (&text[..end], end + 4)
    };
    let head = std::str::from_utf8(head).map_err(|_| "the headers of a part are not UTF-8")?;
    let header = |wanted: &str| {
        let lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
        lines.filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim()).next()
    };
    let disposition = header("content-disposition").ok_or("a part has no Content-Disposition")?;
    if !disposition.starts_with("form-data") {
        return Err("a part's Content-Disposition is not form-data");
    }
    Ok(Part {
        name: parameter(disposition, "name").ok_or("a part has no name")?,
        filename: parameter(disposition, "filename"),
        media_type: header("content-type").map(str::to_owned),
        content: text.slice(start..),
    })
}

/// A quoted parameter. Browsers and clients encode `"`, CR and LF in it as `%22`, `%0D`, `%0A`, or escape the quote.
fn parameter(disposition: &str, name: &str) -> Option<String> {
    let mut rest = disposition;
    loop {
        let (_, after) = rest.split_once(';')?;
        let (key, value) = after.split_once('=')?;
        let value = value.trim_start();
        let (text, end) = match value.strip_prefix('"') {
            Some(quoted) => {
                let (text, used) = unquote(quoted)?;
                (text, &quoted[used..])
            }
            None => {
                let used = value.find(';').unwrap_or(value.len());
                (value[..used].trim().to_owned(), &value[used..])
            }
        };
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(text);
        }
        rest = end;
    }
}

/// A text up to its closing quote, and how many bytes it took with the quote.
fn unquote(quoted: &str) -> Option<(String, usize)> {
    let mut text = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => {
                let text = text.replace("%22", "\"").replace("%0D", "\r").replace("%0A", "\n");
                return Some((text, at + 1));
            }
            '\\' if quoted[at + 1..].starts_with(['"', '\\']) => text.push(letters.next()?.1),
            _ => text.push(letter),
        }
    }
    None
}

/// Where a text begins in bytes.
fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    let first = *text.first()?;
    let mut at = 0;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| *byte == first)?;
        if bytes[at..].starts_with(text) {
            return Some(at);
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Vec<Part>, &'static str> {
        parts(&Bytes::copy_from_slice(body.as_bytes()), "B")
    }

    #[test]
    fn reads_fields_and_files() {
        let body = "--B\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n\
            --B\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a;\\\"b\\\" é %22.jsonl\"\r\n\
            Content-Type: application/jsonl\r\n\r\n{\"a\": 1}\r\n--not\r\n\r\n\r\n--B--\r\n";
        let parts = read(body).unwrap();
        assert_eq!(parts.len(), 2);
        assert_eq!(
            (parts[0].name.as_str(), &parts[0].filename, &parts[0].content[..]),
            ("purpose", &None, &b"batch"[..])
        );
        assert_eq!(parts[1].filename.as_deref(), Some("a;\"b\" é \".jsonl"));
        assert_eq!(parts[1].media_type.as_deref(), Some("application/jsonl"));
        assert_eq!(&parts[1].content[..], b"{\"a\": 1}\r\n--not\r\n\r\n");
    }

    #[test]
    fn reads_what_is_rare() {
        let body = "preamble\r\n--B\r\nContent-Disposition: form-data; name=empty\r\n\r\n\r\n--B--";
        let parts = read(body).unwrap();
        assert_eq!((parts[0].name.as_str(), parts[0].content.len()), ("empty", 0));
        assert_eq!(read("--B--").unwrap(), []);
    }

    #[test]
    fn refuses_what_is_broken() {
        let head = "Content-Disposition: form-data; name=\"a\"";
        for body in [
            String::new(),
            "--".to_owned(),
            "--C\r\n".to_owned(),
            "--B".to_owned(),
            "--B\r\n".to_owned(),
            format!("--B\r\n{head}\r\n\r\nx"),
            format!("--B\r\n{head}\r\nx\r\n--B--"),
            "--B\r\n\r\nx\r\n--B--".to_owned(),
            "--B\r\nContent-Disposition: form-data\r\n\r\nx\r\n--B--".to_owned(),
            "--B\r\nContent-Disposition: form-data; name=\"a\r\n\r\nx\r\n--B--".to_owned(),
            "--B\r\nContent-Disposition: attachment; name=\"a\"\r\n\r\nx\r\n--B--".to_owned(),
            format!("--Bx\r\n{head}\r\n\r\nx\r\n--B--"),
        ] {
            assert!(read(&body).is_err(), "{body:?}");
        }
    }

    #[test]
    fn finds_the_boundary() {
        let cases = [
            ("multipart/form-data; boundary=abc", Some("abc")),
            ("multipart/form-data; charset=utf-8; Boundary=\"a b\"", Some("a b")),
            ("multipart/form-data", None),
            ("multipart/form-data; boundary=", None),
        ];
        for (content_type, expected) in cases {
            assert_eq!(boundary(content_type), expected, "{content_type}");
        }
    }
}
