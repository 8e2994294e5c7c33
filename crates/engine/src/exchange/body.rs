//! The body of an answer as it comes: held under a cap, or, where it is a file, kept piece by piece and never held whole.

use super::form::Files;
use super::redact::Redaction;
use bytes::{Buf, Bytes, BytesMut};
use model::driver::Kept;
use std::io::{self, Read};
use std::sync::Arc;
use store::StoreError;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Pieces of a file that wait for the disk: as many as keep both sides busy.
const WAITING: usize = 4;

/// The body of an answer, as far as it came.
pub(super) enum Body {
    Held(Held),
    File(Keeping),
}

/// How adding a piece went.
pub(super) enum Added {
    Fits,
    /// The cap was passed; what is beyond it is left out.
    Full,
    /// The disk takes nothing more; [`Body::whole`] tells why.
    Broken,
}

impl Body {
    pub(super) async fn add(&mut self, piece: Bytes) -> Added {
        match self {
            Self::Held(held) => match held.add(piece) {
                true => Added::Fits,
                false => Added::Full,
            },
            Self::File(file) => file.add(piece).await,
        }
    }

    /// Ends a body that is whole: its bytes, or where they are kept.
    ///
    /// # Errors
    /// The disk's.
    pub(super) async fn whole(self) -> Result<(Bytes, Option<Kept>), StoreError> {
        match self {
            Self::Held(held) => Ok((held.take(), None)),
            Self::File(Keeping { pieces, keeper, .. }) => {
                drop(pieces);
                let kept = keeper.await.unwrap_or(Err(StoreError::Closed))?;
                Ok((Bytes::new(), Some(kept)))
            }
        }
    }

    /// Ends a body that was cut: what came of it. Of a file nothing is kept.
    pub(super) async fn cut(self) -> Bytes {
        match self {
            Self::Held(held) => held.take(),
            Self::File(Keeping { pieces, keeper, .. }) => {
                let _ = pieces.send(Err(io::ErrorKind::UnexpectedEof.into())).await;
                let _ = keeper.await;
                Bytes::new()
            }
        }
    }
}

/// A body in memory. Most answers are one piece, which is then taken without a copy.
pub(super) struct Held {
    first: Bytes,
    rest: BytesMut,
    room: u64,
}

impl Held {
    pub(super) fn new(cap: u64) -> Self {
        Self { first: Bytes::new(), rest: BytesMut::new(), room: cap }
    }

    /// Adds a piece; `false` where the cap was passed, with the body filled up to it.
    fn add(&mut self, mut piece: Bytes) -> bool {
        let fits = piece.len() as u64 <= self.room;
        if !fits {
            piece.truncate(usize::try_from(self.room).unwrap_or(usize::MAX));
        }
        self.room -= piece.len() as u64;
        if self.first.is_empty() && self.rest.is_empty() {
            self.first = piece;
            return fits;
        }
        if self.rest.is_empty() {
            self.rest.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.rest.extend_from_slice(&piece);
        fits
    }

    fn take(self) -> Bytes {
        if self.rest.is_empty() { self.first } else { self.rest.freeze() }
    }
}

/// A file on its way to the disk.
pub(super) struct Keeping {
    pieces: mpsc::Sender<io::Result<Bytes>>,
    keeper: JoinHandle<Result<Kept, StoreError>>,
    room: u64,
}

impl Keeping {
    pub(super) fn start(files: Arc<dyn Files>, cap: u64, redaction: Redaction) -> Self {
        let (pieces, coming) = mpsc::channel(WAITING);
        let keeper = tokio::task::spawn_blocking(move || {
            files.keep(&mut redaction.reader(Pieces { coming, piece: Bytes::new() }))
        });
        Self { pieces, keeper, room: cap }
    }

    async fn add(&mut self, piece: Bytes) -> Added {
        let length = piece.len() as u64;
        if length > self.room {
            return Added::Full;
        }
        self.room -= length;
        match self.pieces.send(Ok(piece)).await {
            Ok(()) => Added::Fits,
            Err(_) => Added::Broken,
        }
    }
}

/// Reads what comes from the socket.
struct Pieces {
    coming: mpsc::Receiver<io::Result<Bytes>>,
    piece: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.coming.blocking_recv() {
                Some(piece) => self.piece = piece?,
                None => return Ok(0),
            }
        }
        let length = self.piece.len().min(buffer.len());
        self.piece.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Problem;
    use std::sync::Mutex;

    /// Keeps in memory; fails after some bytes.
    struct Disk {
        kept: Mutex<Option<Vec<u8>>>,
        room: usize,
    }

    impl Files for Disk {
        fn open(&self, _: &str) -> Result<std::fs::File, Problem> {
            Err(Problem::new("blob_missing", "none"))
        }

        fn keep(&self, from: &mut dyn Read) -> Result<Kept, StoreError> {
            let broken = |error| StoreError::io("cannot write", std::path::Path::new("x"), error);
            let mut all = Vec::new();
            from.take(self.room as u64 + 1).read_to_end(&mut all).map_err(broken)?;
            if all.len() > self.room {
                return Err(broken(io::ErrorKind::StorageFull.into()));
            }
            let size = all.len() as u64;
            *self.kept.lock().unwrap() = Some(all);
            Ok(Kept { id: "1".to_owned(), size, sha256: String::new() })
        }
    }

    fn disk(room: usize) -> Arc<Disk> {
        Arc::new(Disk { kept: Mutex::new(None), room })
    }

    async fn fill(body: &mut Body, pieces: &[&'static [u8]]) -> usize {
        for (index, piece) in pieces.iter().enumerate() {
            if !matches!(body.add(Bytes::from_static(piece)).await, Added::Fits) {
                return index;
            }
        }
        pieces.len()
    }

    #[tokio::test]
    async fn a_whole_file_is_kept_as_it_came() {
        let table: [&[&'static [u8]]; 4] = [&[], &[b""], &[b"a"], &[b"abc", b"", b"defgh", b"i"]];
        for pieces in table {
            let disk = disk(100);
            let mut body = Body::File(Keeping::start(disk.clone(), 100, Redaction::default()));
            assert_eq!(fill(&mut body, pieces).await, pieces.len());
            let (held, kept) = body.whole().await.unwrap();
            assert!(held.is_empty());
            assert_eq!(kept.unwrap().size, pieces.concat().len() as u64);
            assert_eq!(disk.kept.lock().unwrap().as_deref(), Some(&pieces.concat()[..]));
        }
    }

    #[tokio::test]
    async fn of_a_cut_file_and_of_one_too_large_nothing_is_kept() {
        let disk = disk(100);
        let mut body = Body::File(Keeping::start(disk.clone(), 5, Redaction::default()));
        assert_eq!(fill(&mut body, &[&b"abc"[..], b"def"]).await, 1, "the cap is at 5");
        assert!(body.cut().await.is_empty());
        assert_eq!(*disk.kept.lock().unwrap(), None);
    }

    #[tokio::test]
    async fn a_full_disk_is_told() {
        let mut body = Body::File(Keeping::start(disk(2), 1_000, Redaction::default()));
        fill(&mut body, &[&b"abc"[..]; 200]).await;
        assert!(matches!(body.whole().await, Err(StoreError::Io { .. })));
    }

    #[tokio::test]
    async fn a_held_body_ends_at_the_cap() {
        let mut body = Body::Held(Held::new(5));
        assert_eq!(fill(&mut body, &[&b"abc"[..], b"def", b"g"]).await, 1);
        assert_eq!(&body.cut().await[..], b"abcde");
    }
}
