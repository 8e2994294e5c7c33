//! What of an answer is recorded: no header that opens doors, and nowhere a key of ours that the far side repeats.

use super::client::{Exchanged, Keys};
use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use model::HttpAnswer;
use secrecy::{ExposeSecret, SecretString};
use serde::Serializer;
use std::borrow::Cow;
use std::io::{self, Read};
use std::sync::Arc;

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

/// A shorter key is no word of its own: taking it out would spoil answers that have nothing to do with it.
const SHORTEST: usize = 8;
/// Of a key that a cut has left the beginning of, more than this is taken out.
const SHORTEST_REST: usize = 6;
const REDACTED: &[u8] = b"[redacted]";
/// Bytes of a file that are looked through at a time.
const PIECE: usize = 64 << 10;

/// Takes keys out of what a service answers, however it writes them: what is kept, shown and handed on to other routes
/// must not have them, and a service may repeat what it was sent.
#[derive(Clone, Default)]
pub(super) struct Redaction {
    /// `None`: there is no key to look for.
    sought: Option<Arc<Sought>>,
}

struct Sought {
    finder: AhoCorasick,
    forms: Vec<Vec<u8>>,
    longest: usize,
}

impl Redaction {
    pub(super) fn of(keys: &Keys) -> Self {
        let keys = [&keys.api_key, &keys.admin_key, &keys.user_key];
        let mut forms: Vec<Vec<u8>> = keys.into_iter().flatten().flat_map(forms).collect();
        forms.sort_unstable();
        forms.dedup();
        let longest = forms.iter().map(Vec::len).max().unwrap_or(0);
        // Fails for more patterns than a service has keys alone.
        let finder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&forms).ok();
        let sought = finder.filter(|_| longest > 0).map(|finder| Arc::new(Sought { finder, forms, longest }));
        Self { sought }
    }

    /// What an exchange came to, without keys.
    pub(super) fn exchanged(&self, exchanged: Exchanged) -> Exchanged {
        let Some(sought) = &self.sought else { return exchanged };
        match exchanged {
            Exchanged::Answer(answer) => Exchanged::Answer(sought.answer(answer)),
            Exchanged::Lost { evidence, mut problem, part } => {
                problem.reason = sought.text(problem.reason);
                Exchanged::Lost { evidence, problem, part: part.map(|part| sought.answer(part)) }
            }
            Exchanged::Unkept { error, head } => Exchanged::Unkept { error, head: sought.answer(head) },
        }
    }

    /// For an answer that is heard while it comes.
    pub(super) fn live(&self) -> Live {
        Live { sought: self.sought.clone(), kept: Vec::new() }
    }

    /// A file as it comes, without keys.
    pub(super) fn reader<'a>(&self, from: impl Read + 'a) -> Box<dyn Read + 'a> {
        match &self.sought {
            None => Box::new(from),
            Some(sought) => Box::new(Reader {
                from,
                sought: sought.clone(),
                raw: Vec::new(),
                ready: io::Cursor::new(Vec::new()),
                is_ended: false,
            }),
        }
    }
}

impl Sought {
    fn answer(&self, answer: HttpAnswer) -> HttpAnswer {
        let headers = answer.headers.into_iter().map(|(name, value)| (name, self.text(value))).collect();
        let body = if self.finder.is_match(&answer.body) {
            Bytes::from(self.clean(&answer.body, answer.body.len()).0)
        } else {
            answer.body
        };
        let body = if answer.truncated { self.without_rest(&body) } else { body };
        HttpAnswer { headers, body, ..answer }
    }

    fn text(&self, text: String) -> String {
        if !self.finder.is_match(&text) {
            return text;
        }
        String::from_utf8_lossy(&self.clean(text.as_bytes(), text.len()).0).into_owned()
    }

    /// The bytes without keys, as far as `most` or the end of a key across it; and how many bytes that was.
    fn clean(&self, bytes: &[u8], most: usize) -> (Vec<u8>, usize) {
        let (mut clean, mut end) = (Vec::with_capacity(bytes.len()), 0);
        for found in self.finder.find_iter(bytes).take_while(|found| found.start() < most) {
            clean.extend_from_slice(&bytes[end..found.start()]);
            clean.extend_from_slice(REDACTED);
            end = found.end();
        }
        let rest = most.max(end);
        clean.extend_from_slice(&bytes[end..rest]);
        (clean, rest)
    }

    /// A body that was cut within a key ends before it.
    fn without_rest(&self, body: &Bytes) -> Bytes {
        let rest = self.rest(body, SHORTEST_REST);
        body.slice(..body.len() - rest)
    }

    /// How many bytes at the end may be the beginning of a key; 0 where it would be a shorter one than this.
    fn rest(&self, bytes: &[u8], shortest: usize) -> usize {
        let rest = |form: &Vec<u8>| (shortest..form.len()).rev().find(|length| bytes.ends_with(&form[..*length]));
        self.forms.iter().filter_map(rest).max().unwrap_or(0)
    }
}

/// The ways in which a key may be repeated: as it is, quoted, percent-encoded, in base64 at any place of a longer text, in
/// hex.
fn forms(key: &SecretString) -> Vec<Vec<u8>> {
    let key = key.expose_secret();
    if key.len() < SHORTEST {
        return Vec::new();
    }
    let hex: String = key.bytes().map(|byte| format!("{byte:02x}")).collect();
    let percent = |escape: fn(u8) -> String| -> String {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        key.bytes().map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { escape(byte) }).collect()
    };
    let quoted = serde_json::Value::from(key).to_string();
    let quoted = quoted[1..quoted.len() - 1].to_owned();
    let mut forms = vec![
        key.to_owned(),
        quoted.replace('/', "\\/"),
        quoted,
        percent(|byte| format!("%{byte:02X}")),
        percent(|byte| format!("%{byte:02x}")),
        hex.to_uppercase(),
        hex,
    ];
    for before in 0..3 {
        // Letters that also say something of what stands before or behind are left out.
        let bytes = [&[0; 3][..before], key.as_bytes()].concat();
        let (first, last) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
        for letters in [BASE64_STANDARD_NO_PAD.encode(&bytes), BASE64_URL_SAFE_NO_PAD.encode(&bytes)] {
            forms.push(letters[first..last].to_owned());
        }
    }
    forms.into_iter().map(String::into_bytes).collect()
}

/// Tells what comes, and keeps back what may become a key.
pub(super) struct Live {
    sought: Option<Arc<Sought>>,
    kept: Vec<u8>,
}

impl Live {
    pub(super) fn hear(&mut self, piece: &[u8], hear: &mut (dyn FnMut(&[u8]) + Send)) {
        let Some(sought) = &self.sought else { return hear(piece) };
        self.kept.extend_from_slice(piece);
        let kept_back = sought.rest(&self.kept, 1);
        let (clean, end) = sought.clean(&self.kept, self.kept.len() - kept_back);
        self.kept.drain(..end);
        hear(&clean);
    }

    /// What was kept back is told, where it is no good part of a key.
    pub(super) fn end(self, hear: &mut (dyn FnMut(&[u8]) + Send)) {
        if let Some(sought) = self.sought.filter(|_| !self.kept.is_empty()) {
            hear(&sought.without_rest(&self.kept.into()));
        }
    }
}

/// Reads on while a key may go on behind what it has read.
struct Reader<R> {
    from: R,
    sought: Arc<Sought>,
    raw: Vec<u8>,
    ready: io::Cursor<Vec<u8>>,
    is_ended: bool,
}

impl<R: Read> Read for Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.ready.read(buffer)?;
            if read > 0 || self.is_ended || buffer.is_empty() {
                return Ok(read);
            }
            let before = self.raw.len();
            self.raw.resize(before + PIECE, 0);
            let came = self.from.read(&mut self.raw[before..]);
            self.raw.truncate(before + *came.as_ref().unwrap_or(&0));
            self.is_ended = came? == 0;
            let held_back = if self.is_ended { 0 } else { self.sought.longest - 1 };
            let (clean, end) = self.sought.clean(&self.raw, self.raw.len().saturating_sub(held_back));
            self.raw.drain(..end);
            self.ready = io::Cursor::new(clean);
        }
    }
}

#[cfg(test)]
#[path = "redact_tests.rs"]
mod tests;
