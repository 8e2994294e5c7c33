//! Live streams, which have no end of their own: read page by page.

use model::http::Until;
use std::time::Duration;
use tokio::time::Instant;

/// One page of a live stream, as far as it came.
pub(super) struct Page {
    until: Until,
    events: Events,
    /// When it has been quiet for long enough.
    pub(super) quiet_at: Instant,
}

impl Page {
    pub(super) fn new(until: Until) -> Self {
        let mut page = Self { until, events: Events::default(), quiet_at: Instant::now() };
        page.listen_on();
        page
    }

    /// Takes a piece; whether the page is full. Only an event ends a silence: services send comments to keep the
    /// connection open.
    pub(super) fn add(&mut self, piece: &[u8]) -> bool {
        let before = self.events.count;
        self.events.add(piece);
        if self.events.count > before {
            self.listen_on();
        }
        self.events.count >= self.until.events
    }

    fn listen_on(&mut self) {
        let quiet = Duration::from_millis(u64::try_from(self.until.quiet).unwrap_or(0));
        self.quiet_at = Instant::now() + quiet;
    }
}

/// Counts events by the empty lines that end them.
#[derive(Default)]
struct Events {
    count: u32,
    /// Whether the event under way has a line that is no comment.
    has_field: bool,
    /// Whether the present line has something on it.
    filled: bool,
    after_return: bool,
}

impl Events {
    fn add(&mut self, piece: &[u8]) {
        for byte in piece {
            match byte {
                b'\n' if self.after_return => {}
                b'\r' | b'\n' => {
                    if !self.filled {
                        self.count += u32::from(self.has_field);
                        self.has_field = false;
                    }
                    self.filled = false;
                }
                byte => {
                    self.has_field |= !self.filled && *byte != b':';
                    self.filled = true;
                }
            }
            self.after_return = *byte == b'\r';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_no_events() {
        let table = [
            ("", 0),
            ("data: a\n\n", 1),
            ("data: a\r\n\r\ndata: b\r\rdata: c\n", 2),
            (": ping\n\n: ping\n\n", 0),
            (": ping\n\ndata: a\n\n\n\n: ping\n\n", 1),
            (": with\ndata: a\n\n", 1),
        ];
        for (text, count) in table {
            for size in 1..=text.len().max(1) {
                let mut events = Events::default();
                text.as_bytes().chunks(size).for_each(|piece| events.add(piece));
                assert_eq!(events.count, count, "{text:?} in pieces of {size}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_an_event_ends_a_silence() {
        let mut page = Page::new(Until { events: 2, quiet: 5_000 });
        let first = page.quiet_at;
        tokio::time::advance(Duration::from_secs(3)).await;
        assert!(!page.add(b": ping\n\n"));
        assert_eq!(page.quiet_at, first);
        assert!(!page.add(b"data: a\n\n"));
        assert_eq!(page.quiet_at, first + Duration::from_secs(3));
        assert!(page.add(b"data: b\n\n"));
    }
}
