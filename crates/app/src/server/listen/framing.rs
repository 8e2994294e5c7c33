//! Where one request ends and the next begins. What another program on the way could read differently is refused: that is
//! how a request is smuggled past one that decides who may ask what.
//!
//! The bytes go on to the parser as they are. It reads some of these forms too, in one of the ways in which they can be
//! read; here it is noted that there are others.

use super::LARGEST_HEAD;
use std::sync::{Arc, OnceLock};

/// Why a request is not framed as it has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault(pub(super) &'static str);

/// Follows the bytes of one connection.
pub(super) struct Framing {
    state: State,
    fault: Arc<OnceLock<Fault>>,
}

enum State {
    /// What came of a head.
    Head(Vec<u8>),
    /// So many bytes of a body are to come.
    Body(u64),
    /// Not looked at any more: the connection ends with the request at hand.
    Last,
}

/// How a body is told from what follows it.
#[derive(Debug, PartialEq, Eq)]
enum Body {
    Length(u64),
    Chunked,
}

impl Framing {
    pub(super) fn new(fault: Arc<OnceLock<Fault>>) -> Self {
        Self { state: State::Head(Vec::new()), fault }
    }

    pub(super) fn read(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            match &mut self.state {
                State::Last => return,
                State::Body(left) => {
                    let own = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    rest = &rest[own..];
                    *left -= own as u64;
                    if *left == 0 {
                        self.state = State::Head(Vec::new());
                    }
                }
                State::Head(held) => {
                    // Empty lines before a request mean nothing.
                    while held.is_empty() && matches!(rest.first(), Some(b'\r' | b'\n')) {
                        rest = &rest[1..];
                    }
                    let before = held.len();
                    held.extend_from_slice(&rest[..rest.len().min(LARGEST_HEAD + 1 - before.min(LARGEST_HEAD))]);
                    let Some(end) = end_of_head(held, before.saturating_sub(3)) else {
                        if held.len() > LARGEST_HEAD {
                            self.state = State::Last;
                        }
                        return;
                    };
                    rest = &rest[end - before..];
                    self.state = match judge(&held[..end]) {
                        Ok(Body::Length(0)) => State::Head(Vec::new()),
                        Ok(Body::Length(length)) => State::Body(length),
                        Ok(Body::Chunked) => State::Last,
                        Err(fault) => {
                            let _ = self.fault.set(fault);
                            State::Last
                        }
                    };
                }
            }
        }
    }
}

/// Where the empty line after a head ends, looked for from a place on.
fn end_of_head(held: &[u8], from: usize) -> Option<usize> {
    let line_ends = held.iter().enumerate().skip(from).filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
    line_ends.into_iter().find_map(|at| match held.get(at + 1..)? {
        [b'\n', ..] => Some(at + 2),
        [b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    })
}

fn judge(head: &[u8]) -> Result<Body, Fault> {
    let text = head.strip_suffix(b"\r\n\r\n").ok_or(Fault("a line does not end with carriage return and line feed"))?;
    let mut lines = Lines(Some(text));
    let is_newest = request_line(lines.next().unwrap_or_default())?;
    let mut framed = Framed::default();
    for line in lines {
        let (name, value) = header(line)?;
        framed.take(name, value)?;
    }
    framed.body(is_newest)
}

/// Lines between carriage returns with line feeds.
struct Lines<'a>(Option<&'a [u8]>);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.0?;
        let end = rest.windows(2).position(|pair| pair == b"\r\n");
        self.0 = end.map(|end| &rest[end + 2..]);
        Some(end.map_or(rest, |end| &rest[..end]))
    }
}

/// Whether it is of HTTP/1.1.
fn request_line(line: &[u8]) -> Result<bool, Fault> {
    let wrong = Fault("the request line is not: method, target and version, each after one space");
    let mut parts = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(wrong);
    };
    let is_plain = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_graphic);
    match version {
        _ if !method.iter().all(|byte| is_token(*byte)) || !is_plain(method) || !is_plain(target) => Err(wrong),
        b"HTTP/1.1" => Ok(true),
        b"HTTP/1.0" => Ok(false),
        _ => Err(wrong),
    }
}

fn header(line: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return Err(Fault("a header goes on in a second line"));
    }
    let colon = line.iter().position(|byte| *byte == b':').ok_or(Fault("a line of the head has no colon"))?;
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
        return Err(Fault("a header's name has other characters than it may"));
    }
    if value.iter().any(|byte| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f) {
        return Err(Fault("a header's value has a control character"));
    }
    Ok((name, value))
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// What the head says of the body, and of the host.
#[derive(Default)]
struct Framed {
    length: Option<u64>,
    chunked: bool,
    hosts: usize,
}

impl Framed {
    fn take(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        if name.eq_ignore_ascii_case(b"content-length") {
            if self.length.is_some() {
                return Err(Fault("content-length stands twice"));
            }
            let digits = std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            let length = digits.and_then(|digits| digits.parse().ok());
            self.length = Some(length.ok_or(Fault("content-length is no number"))?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.chunked {
                return Err(Fault("transfer-encoding stands twice"));
            }
            if !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Fault("transfer-encoding is not: chunked"));
            }
            self.chunked = true;
        } else if name.eq_ignore_ascii_case(b"host") {
            self.hosts += 1;
        }
        Ok(())
    }

    fn body(self, is_newest: bool) -> Result<Body, Fault> {
        match self {
            Self { length: Some(_), chunked: true, .. } => {
                Err(Fault("content-length and transfer-encoding stand together"))
            }
            Self { chunked: true, .. } if !is_newest => Err(Fault("HTTP/1.0 has no transfer-encoding")),
            Self { hosts, .. } if hosts > 1 || (hosts == 0 && is_newest) => Err(Fault("host does not stand once")),
            Self { chunked: true, .. } => Ok(Body::Chunked),
            Self { length, .. } => Ok(Body::Length(length.unwrap_or(0))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of bytes that come in pieces of this size.
    fn said(bytes: &[u8], size: usize) -> Option<Fault> {
        let fault = Arc::default();
        let mut framing = Framing::new(Arc::clone(&fault));
        bytes.chunks(size).for_each(|piece| framing.read(piece));
        fault.get().copied()
    }

    #[test]
    fn each_request_of_a_connection_is_judged_however_its_bytes_come() {
        let good = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 31\r\n\r\nGET / HTTP/1.1\r\nbad header\r\n\r\n.\r\n";
        let next = b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n";
        let bad = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n";
        for size in [1, 2, 3, 7, 16, 1_000] {
            assert_eq!(said(&[&good[..], next].concat(), size), None, "a body is not read as a head");
            let both = said(&[&good[..], next, bad].concat(), size);
            assert_eq!(both, Some(Fault("content-length and transfer-encoding stand together")), "{size}");
        }
    }

    #[test]
    fn a_head_without_end_is_not_held() {
        let fault = Arc::default();
        let mut framing = Framing::new(fault);
        for _ in 0..1_000 {
            framing.read(&[b'a'; 1_000]);
        }
        assert!(matches!(framing.state, State::Last));
    }
}
