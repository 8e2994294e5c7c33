//! A stand-in for the Mistral API: a real HTTP server made from the same catalogue, with state of its own.
//!
//! A request is judged to the letter (`judge`), answered by the handler of its operation (`operation`) or with an
//! example of the answer's schema (`stand_in`), and written down in a ledger where there is one (`ledger`).
//! What is to go wrong on purpose goes wrong on the way out (`faults`, `outgoing`).
//! The same request gets the same answer, as far as state allows. Nothing is kept on disk but the ledger.

mod answer;
mod audio;
mod batch;
mod classifier;
mod clock;
mod completion;
mod conversations;
mod embeddings;
mod faults;
mod fingerprint;
mod judge;
mod ledger;
mod listen;
mod members;
mod mistakes;
mod multipart;
mod objects;
mod ocr;
mod operation;
mod outgoing;
mod paging;
mod parameter;
mod refusal;
mod routes;
mod server;
mod stand_in;
mod state;
mod streams;
mod wire;
mod wished;
mod words;

pub use clock::Clock;
pub use faults::Faults;
pub use listen::{Running, StartError, start};

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// The moment that times in answers are counted from: 2026-01-01, in seconds. Answers do not depend on the clock.
const EPOCH: u64 = 1_767_225_600;

/// How a simulator runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens; port 0 takes any free one.
    pub listen: SocketAddr,
    /// How long after a request was read its answer is sent.
    pub latency: Duration,
    /// The only good key. Without one, any key but `wrong` and the empty one is good.
    pub key: Option<String>,
    /// A file that gets one JSON line per request seen, per answer wholly sent (`answer`) and per answer that was not,
    /// because the client went away before or a fault took it (`gone`). A request's line is on disk before the first byte of its answer is sent.
    pub ledger: Option<PathBuf>,
    /// The header in which clients name their requests, for the ledger's `request_id`.
    pub request_id_header: String,
    /// Most objects (agents, documents, …) that are kept; what is more is refused with a 403.
    pub max_objects: usize,
    /// When the first file is made, in Unix seconds.
    pub since: u64,
    /// How many items a list has that no operation adds to, such as audit logs.
    pub examples: usize,
    /// The clock that long work and limits go by.
    pub clock: Clock,
    /// What goes wrong on purpose.
    pub faults: Option<Faults>,
}

impl Default for Options {
    /// Any free port of the loopback address, no latency, no ledger, `X-Request-Id`.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            latency: Duration::ZERO,
            key: None,
            ledger: None,
            request_id_header: "x-request-id".to_owned(),
            max_objects: 100_000,
            since: EPOCH,
            examples: 3,
            clock: Clock::real(1.0),
            faults: None,
        }
    }
}
