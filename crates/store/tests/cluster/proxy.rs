//! A way to the server that breaks at the worst moment.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Where the server's socket is in its folder.
const SOCKET: &str = ".s.PGSQL.5432";

/// What becomes of the next commit that passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Break {
    /// The connection breaks before the commit comes to the server.
    Before,
    /// The server commits, and the connection breaks before its answer is back.
    After,
    /// The connection breaks, and the commit comes to the server when somebody waits for that transaction.
    Late,
    /// Neither side hears of the other any more, and nobody tells them: its machine is gone.
    Silent,
}

/// Listens in a folder of its own.
pub(crate) struct Proxy {
    folder: tempfile::TempDir,
    next: Arc<Mutex<Option<Break>>>,
}

impl Proxy {
    /// A way to the server whose socket is in `server`; `is_awaited` says whether somebody waits for a lock there.
    pub(crate) fn start(server: &Path, is_awaited: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join(SOCKET)).unwrap();
        let next = Arc::new(Mutex::new(None));
        let (server, planned) = (server.join(SOCKET), Arc::clone(&next));
        let is_awaited: Arc<dyn Fn() -> bool + Send + Sync> = Arc::new(is_awaited);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                connect(client, &server, &planned, &is_awaited);
            }
        });
        Self { folder, next }
    }

    /// Where clients find it.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Plans what becomes of the next commit.
    pub(crate) fn plan(&self, what: Break) {
        *self.next.lock().unwrap() = Some(what);
    }

    /// Whether the plan was carried out.
    pub(crate) fn is_done(&self) -> bool {
        self.next.lock().unwrap().is_none()
    }
}

fn connect(
    client: UnixStream,
    server: &Path,
    planned: &Arc<Mutex<Option<Break>>>,
    is_awaited: &Arc<dyn Fn() -> bool + Send + Sync>,
) {
    let Ok(server) = UnixStream::connect(server) else { return };
    let mute = Arc::new(AtomicBool::new(false));
    let (from, to, muted) = (server.try_clone().unwrap(), client.try_clone().unwrap(), Arc::clone(&mute));
    std::thread::spawn(move || answers(from, to, &muted));
    let (planned, is_awaited) = (Arc::clone(planned), Arc::clone(is_awaited));
    std::thread::spawn(move || questions(client, server, &mute, &planned, &*is_awaited));
}

/// From the server to the client. The first answer after it was muted ends both connections.
fn answers(mut server: UnixStream, mut client: UnixStream, mute: &AtomicBool) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(length) = server.read(&mut bytes) {
        if length == 0 || mute.load(Ordering::SeqCst) || client.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}

fn questions(
    mut client: UnixStream,
    mut server: UnixStream,
    mute: &AtomicBool,
    planned: &Mutex<Option<Break>>,
    is_awaited: &(dyn Fn() -> bool + Send + Sync),
) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(length) = client.read(&mut bytes) {
        let question = &bytes[..length];
        if length == 0 {
            break;
        }
        let is_commit = question.windows(7).any(|window| window == b"COMMIT\0");
        match is_commit.then(|| planned.lock().unwrap().take()).flatten() {
            None => {}
            Some(Break::Before) => break,
            Some(Break::Silent) => loop {
                std::thread::park();
            },
            Some(Break::After) => mute.store(true, Ordering::SeqCst),
            Some(Break::Late) => {
                mute.store(true, Ordering::SeqCst);
                let _ = client.shutdown(Shutdown::Both);
                while !is_awaited() {
                    std::thread::yield_now();
                }
            }
        }
        if server.write_all(question).is_err() {
            return;
        }
    }
    if !mute.load(Ordering::SeqCst) {
        let _ = client.shutdown(Shutdown::Both);
        let _ = server.shutdown(Shutdown::Both);
    }
}
