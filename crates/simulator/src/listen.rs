//! The socket: accepts connections, serves HTTP/1.1 on each, stops in order.

use crate::Options;
use crate::ledger::Ledger;
use crate::outgoing::{Outbox, Waiting};
use crate::server::Server;
use bytes::Buf;
use connectors::mistral::catalogue::catalogue;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// How long a connection may be idle or take over a request's head.
const HEAD_TIME: Duration = Duration::from_secs(90);

/// How long open requests get to end when the simulator stops.
const STOP_TIME: Duration = Duration::from_secs(5);

/// After a failed accept (too many open files) the next try waits this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why a simulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where it was to listen.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The ledger's file cannot be opened.
    #[error("cannot open the ledger {}: {source}", path.display())]
    Ledger {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// A simulator that runs until it is stopped or dropped.
#[derive(Debug)]
pub struct Running {
    server: Arc<Server>,
    url: String,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

/// Starts a simulator on the current runtime. When it returns, connections are accepted.
///
/// # Errors
/// The address or the ledger cannot be had.
pub async fn start(options: Options) -> Result<Running, StartError> {
    let address = options.listen;
    let refused = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let url = format!("http://{}", listener.local_addr().map_err(refused)?);
    let ledger = match &options.ledger {
        Some(path) => Some(Ledger::open(path).map_err(|source| StartError::Ledger { path: path.clone(), source })?),
        None => None,
    };
    let server = Arc::new(Server::new(catalogue(), options, url.clone(), ledger));
    let (stop, stopped) = watch::channel(false);
    let accepting = tokio::spawn(accept(listener, server.clone(), stopped));
    Ok(Running { server, url, stop, accepting })
}

impl Running {
    /// Its base URI, without a slash at the end: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Requests that were read whole since it started, whatever they were answered.
    #[must_use]
    pub fn requests_seen(&self) -> u64 {
        self.server.seen()
    }

    /// Takes no more requests, lets open ones end (for at most five seconds), and completes the ledger.
    pub async fn stop(self) {
        let Self { server, stop, accepting, .. } = self;
        stop.send_replace(true);
        if let Err(error) = accepting.await {
            tracing::error!(%error, "the simulator's accept loop failed");
        }
        // All connections are gone, and with them every other hold on the server.
        let ledger = Arc::into_inner(server).and_then(|server| server.ledger);
        if let Some(ledger) = ledger
            && let Err(error) = tokio::task::spawn_blocking(|| ledger.close()).await
        {
            tracing::error!(%error, "the ledger was not completed");
        }
    }
}

async fn accept(listener: TcpListener, server: Arc<Server>, mut stopped: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            // Also ends when the handle was dropped.
            () = told(&mut stopped) => break,
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => drop(connections.spawn(connection(socket, server.clone(), stopped.clone()))),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_TIME, all).await.is_err() {
        connections.shutdown().await;
    }
}

/// Waits until the simulator is to stop, or its handle is gone.
async fn told(stopped: &mut watch::Receiver<bool>) {
    drop(stopped.wait_for(|stopped| *stopped).await);
}

async fn connection(socket: TcpStream, server: Arc<Server>, mut stopped: watch::Receiver<bool>) {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "cannot switch off the delay of small packets");
    }
    let outbox = server.watches().then(|| Arc::new(Outbox::default()));
    let io = Watched { io: TokioIo::new(socket), outbox: outbox.clone(), waiting: Waiting::default() };
    let serve = service_fn(|request| server.serve(request, outbox.clone()));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
    let mut open = std::pin::pin!(http.serve_connection(io, serve));
    let ended = tokio::select! {
        ended = open.as_mut() => ended,
        () = told(&mut stopped) => {
            open.as_mut().graceful_shutdown();
            open.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// A socket that says when everything written has been handed to the system.
struct Watched {
    io: TokioIo<TcpStream>,
    outbox: Option<Arc<Outbox>>,
    waiting: Waiting,
}

impl Watched {
    /// Does what was to come after the flush that has succeeded. An error ends the connection.
    fn poll_flushed(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(outbox) = &self.outbox else { return Poll::Ready(Ok(())) };
        let Waiting { ticket, ending } = outbox.flushed();
        self.waiting.ticket = ticket.or_else(|| self.waiting.ticket.take());
        self.waiting.ending = ending.or_else(|| self.waiting.ending.take());
        if let Some(ending) = &mut self.waiting.ending {
            while !ending.excess.is_empty() {
                let sent = ready!(Pin::new(&mut self.io).poll_write(context, &ending.excess))?;
                ending.excess.advance(sent);
            }
        }
        if let Some(ticket) = self.waiting.ticket.take() {
            ticket.sent();
        }
        match self.waiting.ending.take() {
            Some(_) => Poll::Ready(Err(io::Error::other("the faults file ends this connection"))),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if self.outbox.as_ref().is_some_and(|outbox| outbox.resets())
            && let Err(error) = self.io.inner().set_zero_linger()
        {
            tracing::debug!(%error, "cannot reset a connection");
        }
    }
}

impl Read for Watched {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, into)
    }
}

impl Write for Watched {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.io).poll_flush(context))?;
        // hyper flushes only when its own buffer is empty.
        self.poll_flushed(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
