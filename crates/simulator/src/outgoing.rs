//! The body of an answer on its way to the socket: in one piece, event by event, or spoilt on purpose.

use crate::ledger::Ticket;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Sleep;

/// What a body of no end is made of, in pieces of this size.
static FILLING: [u8; 1 << 16] = [b'x'; 1 << 16];

/// A body that tells its connection when its last piece has been taken.
#[derive(Debug)]
pub(crate) struct Outgoing {
    data: Bytes,
    pieces: Pieces,
    /// The socket takes what it has before the next piece is handed over.
    rests: bool,
    ticket: Option<(Ticket, Arc<Outbox>)>,
    spoilt: Option<Box<Spoilt>>,
}

/// How a body is divided when nothing spoils it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pieces {
    One,
    /// Each event of a stream on its own, as a service sends it that does not know the next one yet.
    Events,
}

/// How a body differs from what it should be.
#[derive(Debug, Default)]
pub(crate) struct Spoilt {
    /// What the head says of the length, where that is not the truth.
    pub(crate) length: Option<u64>,
    /// Bytes that are sent after the data; `u64::MAX` for no end.
    pub(crate) filling: u64,
    /// Sent after the filling.
    pub(crate) tail: Bytes,
    /// Pieces of so many bytes, with so much time between them.
    pub(crate) drip: Option<(usize, Duration)>,
    /// The connection ends after the last piece, in place of the body's regular end.
    pub(crate) ending: Option<(Ending, Arc<Outbox>)>,
    /// The ending is on its way: nothing comes any more, not even the regular end.
    pub(crate) broken_off: bool,
    /// The time that runs until the next piece.
    pub(crate) pause: Option<Pin<Box<Sleep>>>,
}

/// An end of a connection that nobody asked for.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    /// Sent before, past what HTTP allows.
    pub(crate) excess: Bytes,
}

impl Outgoing {
    pub(crate) fn new(
        data: Bytes,
        pieces: Pieces,
        spoilt: Option<Box<Spoilt>>,
        ticket: Option<(Ticket, Arc<Outbox>)>,
    ) -> Self {
        let mut body = Self { data, pieces, rests: false, ticket, spoilt };
        if body.is_end_stream() {
            body.hand_over();
        }
        body
    }

    fn hand_over(&mut self) {
        if let Some((ticket, outbox)) = self.ticket.take() {
            outbox.put(ticket);
        }
    }

    /// The next piece, which is empty where nothing is left.
    fn next(&mut self) -> Bytes {
        if self.data.is_empty()
            && let Some(spoilt) = &mut self.spoilt
        {
            self.data = spoilt.more();
        }
        let most = match (&self.spoilt, self.pieces) {
            (Some(spoilt), _) if spoilt.drip.is_some() => spoilt.drip.map_or(usize::MAX, |(bytes, _)| bytes),
            (_, Pieces::One) => usize::MAX,
            (_, Pieces::Events) => event(&self.data),
        };
        self.data.split_to(most.min(self.data.len()))
    }

    /// Hands the last piece over together with the end of the connection.
    fn break_off(&mut self, piece: Bytes) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(spoilt) = &mut self.spoilt
            && let Some((ending, outbox)) = spoilt.ending.take()
        {
            spoilt.broken_off = true;
            let whole = !ending.excess.is_empty();
            outbox.end(ending);
            if whole {
                self.hand_over();
            }
        }
        // hyper flushes what it has, and the flush ends the connection: nobody needs to wake us.
        if piece.is_empty() { Poll::Pending } else { Poll::Ready(Some(Ok(Frame::data(piece)))) }
    }

    fn is_all_taken(&self) -> bool {
        self.data.is_empty() && self.spoilt.as_ref().is_none_or(|spoilt| spoilt.filling == 0 && spoilt.tail.is_empty())
    }
}

impl Spoilt {
    fn more(&mut self) -> Bytes {
        if self.filling == 0 {
            return std::mem::take(&mut self.tail);
        }
        let piece = Bytes::from_static(&FILLING);
        if self.filling == u64::MAX {
            return piece;
        }
        let size = self.filling.min(piece.len() as u64);
        self.filling -= size;
        piece.slice(..usize::try_from(size).unwrap_or(piece.len()))
    }

    /// How many bytes are sent beside the data.
    pub(crate) fn bytes(&self) -> u64 {
        let excess = self.ending.as_ref().map_or(0, |(ending, _)| ending.excess.len());
        self.filling.saturating_add((self.tail.len() + excess) as u64)
    }

    /// Waits for the time between two pieces.
    fn poll_pause(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(context));
            self.pause = None;
        }
        Poll::Ready(())
    }
}

/// The length of the first event.
fn event(data: &[u8]) -> usize {
    memchr::memmem::find(data, b"\n\n").map_or(data.len(), |at| at + 2)
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        if std::mem::take(&mut this.rests) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(spoilt) = &mut this.spoilt {
            ready!(spoilt.poll_pause(context));
        }
        if this.spoilt.as_ref().is_some_and(|spoilt| spoilt.broken_off) {
            return Poll::Pending;
        }
        let piece = this.next();
        let last = this.is_all_taken();
        if let Some(spoilt) = &mut this.spoilt {
            if let Some((_, every)) = spoilt.drip.filter(|_| !last) {
                spoilt.pause = Some(Box::pin(tokio::time::sleep(every)));
            }
            if last && spoilt.ending.is_some() {
                return this.break_off(piece);
            }
        }
        if piece.is_empty() {
            return Poll::Ready(None);
        }
        if last {
            this.hand_over();
        }
        // A filling goes as fast as the socket takes it.
        this.rests = !last && this.pieces == Pieces::Events;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.is_all_taken() && self.spoilt.as_ref().is_none_or(|spoilt| spoilt.ending.is_none() && !spoilt.broken_off)
    }

    fn size_hint(&self) -> SizeHint {
        let filling = self.spoilt.as_ref().map_or(0, |spoilt| spoilt.filling);
        let tail = self.spoilt.as_ref().map_or(0, |spoilt| spoilt.tail.len() as u64);
        match self.spoilt.as_ref().and_then(|spoilt| spoilt.length) {
            Some(length) => SizeHint::with_exact(length),
            None if self.is_end_stream() => SizeHint::with_exact(0),
            None if self.pieces == Pieces::Events || filling == u64::MAX => SizeHint::default(),
            None => SizeHint::with_exact(self.data.len() as u64 + filling + tail),
        }
    }
}

/// Where a connection keeps the answer whose last byte is on its way to the socket. The next flush that succeeds
/// has sent it; a connection that ends before that has lost it.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: Mutex<Waiting>,
    resets: AtomicBool,
}

/// What the next flush that succeeds brings about.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    pub(crate) ticket: Option<Ticket>,
    pub(crate) ending: Option<Ending>,
}

impl Outbox {
    fn put(&self, ticket: Ticket) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).ticket = Some(ticket);
    }

    fn end(&self, ending: Ending) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).ending = Some(ending);
    }

    /// The socket has taken everything.
    pub(crate) fn flushed(&self) -> Waiting {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The end of the connection is to be a reset, in place of the regular one.
    pub(crate) fn reset(&self) {
        self.resets.store(true, Ordering::Release);
    }

    pub(crate) fn resets(&self) -> bool {
        self.resets.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    /// The socket takes each event before it is given the next one.
    #[test]
    fn a_stream_rests_after_each_event() {
        let stream = Bytes::from_static(b"data: 1\n\ndata: 2\n\ndata: 3\n\n");
        let mut body = Outgoing::new(stream, Pieces::Events, None, None);
        let mut context = Context::from_waker(Waker::noop());
        let mut taken = Vec::new();
        while !body.is_end_stream() {
            taken.push(match Pin::new(&mut body).poll_frame(&mut context) {
                Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap(),
                Poll::Ready(_) => panic!("the stream ended early: {taken:?}"),
                Poll::Pending => Bytes::new(),
            });
        }
        assert_eq!(taken, ["data: 1\n\n", "", "data: 2\n\n", "", "data: 3\n\n"]);
    }
}
