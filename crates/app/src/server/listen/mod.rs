//! Accepts connections, within bounds: how many, how long, how large, and framed in one way only.

mod client;
mod door;
mod framing;
mod room;
mod socket;

pub(crate) use client::{Client, Proxies};
pub(crate) use door::{Door, Listener, may_open};
pub(crate) use room::{Limits, Room};

use super::api::refuse;
use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::ConnectInfo;
use axum::http::header::{CONNECTION, TRANSFER_ENCODING};
use axum::http::{HeaderValue, Request, Response, StatusCode};
use framing::{Fault, Framing};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use model::Problem;
use room::Place;
use socket::Socket;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long a client may take to send the head of a request; an idle connection counts as one that does.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long a request may take, its body included, until its answer begins.
const REQUEST_TIME: Duration = Duration::from_secs(120);
/// The largest head of a request, in bytes, and the most headers.
const LARGEST_HEAD: usize = 32 << 10;
const MOST_HEADERS: usize = 100;
/// A failure to accept (too many open files) is not tried again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long open connections may take to end when it is time to stop.
const STOP_TIME: Duration = Duration::from_secs(5);

/// What every connection is served with.
#[derive(Clone)]
pub(crate) struct Reception {
    pub(crate) router: Router,
    pub(crate) room: Arc<Room>,
    pub(crate) proxies: Arc<Proxies>,
    /// Becomes true when it is time to stop.
    pub(crate) stop: watch::Receiver<bool>,
}

/// Serves whoever comes through a door, until told to stop.
pub(crate) async fn listen(listener: Listener, reception: Reception) {
    match listener {
        Listener::Tcp(listener) => listen_tcp(listener, reception).await,
        Listener::Unix(listener) => listen_unix(listener, reception).await,
    }
}

/// Serves TCP connections until told to stop.
async fn listen_tcp(listener: TcpListener, reception: Reception) {
    let accept = || async {
        let (socket, address) = listener.accept().await?;
        // A peer that is gone already is found out by the first read.
        let _ = socket.set_nodelay(true);
        Ok((socket, Some(address)))
    };
    serve(accept, reception).await;
}

/// Serves connections to a socket in the file system until told to stop.
pub(crate) async fn listen_unix(listener: UnixListener, reception: Reception) {
    let accept = || async { listener.accept().await.map(|(socket, _)| (socket, None)) };
    serve(accept, reception).await;
}

async fn serve<S, F>(accept: impl Fn() -> F, reception: Reception)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = std::io::Result<(S, Option<SocketAddr>)>>,
{
    let mut stop = reception.stop.clone();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = told(&mut stop) => break,
            accepted = accept() => match accepted {
                Ok((socket, peer)) => {
                    let address = peer.map(|peer| peer.ip().to_canonical());
                    let counted = address.filter(|address| !reception.proxies.trusts(Some(*address)));
                    // Nobody who could go is left: this one goes, without a word.
                    let Some(place) = reception.room.take(counted) else { continue };
                    connections.spawn(connection(socket, Visit::new(&reception, place, peer), reception.clone()));
                }
                Err(error) if is_peers(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    reception.room.make_room();
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
        while connections.try_join_next().is_some() {}
    }
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_TIME, all).await.is_err() {
        connections.shutdown().await;
    }
}

/// Whether it was the peer that went away while it was accepted.
fn is_peers(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// Returns when it is time to stop.
async fn told(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

/// One connection, for its requests.
struct Visit {
    place: Place,
    peer: Option<SocketAddr>,
    proxies: Arc<Proxies>,
    fault: Arc<OnceLock<Fault>>,
}

impl Visit {
    fn new(reception: &Reception, place: Place, peer: Option<SocketAddr>) -> Arc<Self> {
        Arc::new(Self { place, peer, proxies: reception.proxies.clone(), fault: Arc::default() })
    }

    /// Says in a request who sends it.
    fn introduce(&self, request: &mut Request<Incoming>) {
        let client = self.proxies.client(self.peer.map(|peer| peer.ip()), request.headers());
        if let Some(address) = client.address {
            let port = self.peer.map_or(0, |peer| peer.port());
            request.extensions_mut().insert(ConnectInfo(SocketAddr::new(address, port)));
        }
        request.extensions_mut().insert(client);
    }
}

async fn connection<S>(socket: S, visit: Arc<Visit>, reception: Reception)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Reception { router, mut stop, .. } = reception;
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
    http.max_buf_size(LARGEST_HEAD).max_header_size(LARGEST_HEAD).max_headers(MOST_HEADERS);
    let socket = Socket::new(socket, Framing::new(visit.fault.clone()));
    let router = TowerToHyperService::new(router);
    let own = visit.clone();
    let service = service_fn(move |request| answer(router.clone(), own.clone(), request));
    let mut served = std::pin::pin!(http.serve_connection(TokioIo::new(socket), service));
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = visit.place.to_leave() => return,
        () = told(&mut stop) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn answer(
    router: TowerToHyperService<Router>,
    visit: Arc<Visit>,
    mut request: Request<Incoming>,
) -> Result<Response<Left>, Infallible> {
    let is_last = request.headers().contains_key(TRANSFER_ENCODING);
    let fault = visit.fault.get();
    let mut response = match fault {
        Some(Fault(reason)) => refuse(StatusCode::BAD_REQUEST, Problem::new("request_malformed", *reason)),
        None => {
            visit.introduce(&mut request);
            let arriving = request.map(|body| Body::new(Arriving::new(body, visit.clone())));
            match tokio::time::timeout(REQUEST_TIME, router.call(arriving)).await {
                Ok(response) => response?,
                Err(_) => {
                    let problem = Problem::new("request_slow", "the request took too long to come, or to be answered");
                    refuse(StatusCode::REQUEST_TIMEOUT, problem)
                }
            }
        }
    };
    if is_last || fault.is_some() {
        // Where a body without a length ended is known to us alone: nothing may follow it.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response.map(|body| Left { body, visit }))
}

/// The body of a request. Once it has come whole, the connection has earned its place until it is answered.
struct Arriving {
    body: Incoming,
    visit: Arc<Visit>,
}

impl Arriving {
    fn new(body: Incoming, visit: Arc<Visit>) -> Self {
        if body.is_end_stream() {
            visit.place.works();
        }
        Self { body, visit }
    }
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if self.body.is_end_stream() || matches!(polled, Poll::Ready(None)) {
            self.visit.place.works();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer. When it has left, the connection is idle again.
struct Left {
    body: Body,
    visit: Arc<Visit>,
}

impl HttpBody for Left {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        self.visit.place.rests();
    }
}
