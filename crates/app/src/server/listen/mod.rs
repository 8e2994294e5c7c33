//! Accepts connections, within bounds.

use axum::extract::ConnectInfo;
use axum::{Extension, Router};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// Connections at once. More wait until one ends.
const MOST: usize = 1_024;
/// How long a client may take to send the head of a request; an idle connection counts as one that does.
const HEAD_TIME: Duration = Duration::from_secs(20);
/// How long a request may take, its body included.
const REQUEST_TIME: Duration = Duration::from_secs(120);
/// The largest head of a request, in bytes.
const LARGEST_HEAD: usize = 32 << 10;
/// A failure to accept (too many open files) is not tried again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long open connections may take to end when it is time to stop.
const STOP_TIME: Duration = Duration::from_secs(5);

/// Serves TCP connections until told to stop.
pub(crate) async fn listen_tcp(listener: TcpListener, router: Router, stop: watch::Receiver<bool>) {
    let accept = || async {
        let (socket, address) = listener.accept().await?;
        socket.set_nodelay(true)?;
        Ok((socket, Some(address)))
    };
    serve(accept, router, stop).await;
}

/// Serves connections to a socket in the file system until told to stop.
pub(crate) async fn listen_unix(listener: UnixListener, router: Router, stop: watch::Receiver<bool>) {
    let accept = || async { listener.accept().await.map(|(socket, _)| (socket, None)) };
    serve(accept, router, stop).await;
}

async fn serve<S, F>(accept: impl Fn() -> F, router: Router, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = std::io::Result<(S, Option<SocketAddr>)>>,
{
    let room = Arc::new(Semaphore::new(MOST));
    let mut connections = JoinSet::new();
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else { break };
        tokio::select! {
            () = told(&mut stop) => break,
            accepted = accept() => match accepted {
                Ok((socket, address)) => {
                    let (router, stop) = (router.clone(), stop.clone());
                    let router = match address {
                        Some(address) => router.layer(Extension(ConnectInfo(address))),
                        None => router,
                    };
                    connections.spawn(async move {
                        connection(socket, router, stop).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
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

/// Returns when it is time to stop.
async fn told(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

async fn connection<S>(socket: S, router: Router, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let router = router.layer(axum::middleware::from_fn(bounded));
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(LARGEST_HEAD);
    let served = http.serve_connection(TokioIo::new(socket), TowerToHyperService::new(router));
    let mut served = std::pin::pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = told(&mut stop) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// A request that takes too long is given up.
async fn bounded(request: axum::extract::Request, next: axum::middleware::Next) -> axum::response::Response {
    use axum::response::IntoResponse as _;
    match tokio::time::timeout(REQUEST_TIME, next.run(request)).await {
        Ok(response) => response,
        Err(_) => axum::http::StatusCode::REQUEST_TIMEOUT.into_response(),
    }
}
