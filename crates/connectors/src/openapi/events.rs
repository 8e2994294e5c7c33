//! Server-sent events: from the bytes of a stream to its events (the WHATWG standard's "event stream interpretation").

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Its name; empty where the stream gave none.
    pub name: String,
    /// Its data: lines joined by line feeds.
    pub data: String,
    /// The latest id that the stream gave, with this event or before.
    pub id: Option<String>,
}

/// The events of a stream as far as it came. An event counts once the empty line after it is there, so one that was cut
/// is none: what is cut can never be taken for a whole.
///
/// Lines end in CR, LF or CRLF, mixed at will; a byte order mark and comments are passed over; bytes that are no UTF-8
/// become replacement characters; `retry` and unknown fields mean nothing here.
#[must_use]
pub fn events(body: &[u8]) -> Vec<Event> {
    let mut found = Vec::new();
    let mut reader = Reader::default();
    let mut rest = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
        let line = &rest[..end];
        // A carriage return that is the last byte may be half of a line's end; the line is over either way.
        let width = if rest[end..].starts_with(b"\r\n") { 2 } else { 1 };
        rest = &rest[end + width..];
        found.extend(reader.line(line));
    }
    found
}

#[derive(Default)]
struct Reader {
    name: String,
    data: Option<String>,
    id: Option<String>,
}

impl Reader {
    /// Takes one line; an empty one ends an event.
    fn line(&mut self, line: &[u8]) -> Option<Event> {
        if line.is_empty() {
            let name = std::mem::take(&mut self.name);
            return self.data.take().map(|data| Event { name, data, id: self.id.clone() });
        }
        let text = String::from_utf8_lossy(line);
        let (field, value) = text.split_once(':').unwrap_or((&text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                none => *none = Some(value.to_owned()),
            },
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event(name: &str, data: &str, id: Option<&str>) -> Event {
        Event { name: name.to_owned(), data: data.to_owned(), id: id.map(str::to_owned) }
    }

    #[test]
    fn events_of_every_form() {
        let table: [(&str, Vec<Event>); 12] = [
            ("", vec![]),
            ("data: a\n\n", vec![event("", "a", None)]),
            ("data:a\ndata:  b\n\n", vec![event("", "a\n b", None)]),
            ("\u{feff}: comment\nevent: x\ndata: {}\nid: 7\n\n", vec![event("x", "{}", Some("7"))]),
            ("id: 1\ndata: a\n\ndata: b\n\n", vec![event("", "a", Some("1")), event("", "b", Some("1"))]),
            ("data: a\r\rdata: b\r\n\r\n", vec![event("", "a", None), event("", "b", None)]),
            ("event: only a name\n\ndata: a\n\n", vec![event("", "a", None)]),
            ("data\n\n", vec![event("", "", None)]),
            ("retry: 10\nsomething: else\ndata: a\n\n", vec![event("", "a", None)]),
            ("data: cut", vec![]),
            ("data: a\n\ndata: b\n", vec![event("", "a", None)]),
            ("id: a\0b\ndata: x\n\n", vec![event("", "x", None)]),
        ];
        for (text, expected) in table {
            assert_eq!(events(text.as_bytes()), expected, "{text:?}");
        }
    }

    proptest! {
        /// However the lines end, the events are the same; cut anywhere, they are a beginning of them.
        #[test]
        fn line_ends_and_cuts(
            texts in prop::collection::vec("[a-zé{}: \"]{0,12}", 0..6),
            ends in prop::collection::vec(prop::sample::select(vec!["\n", "\r\n"]), 12),
        ) {
            let (mut plain, mut mixed) = (String::new(), String::new());
            for (index, text) in texts.iter().enumerate() {
                plain.push_str(&format!("data: {text}\n\n"));
                mixed.push_str(&format!("data: {text}{}{}", ends[2 * index], ends[2 * index + 1]));
            }
            let whole = events(plain.as_bytes());
            prop_assert_eq!(whole.len(), texts.len());
            prop_assert_eq!(&events(mixed.as_bytes()), &whole);
            for cut in 0..mixed.len() {
                let found = events(&mixed.as_bytes()[..cut]);
                prop_assert!(found.len() <= whole.len());
                prop_assert_eq!(&found[..], &whole[..found.len()]);
            }
        }
    }
}
