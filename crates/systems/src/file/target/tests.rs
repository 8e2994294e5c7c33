//! Deliveries that the disk or another program cuts short.

use super::*;

/// Passes this many bytes on, then ends as told.
struct Cut<'a> {
    file: &'a File,
    left: usize,
    end: End<'a>,
}

enum End<'a> {
    Fails,
    /// Another program writes first, then it fails.
    FailsBehind(&'a [u8]),
    /// Another program writes in between.
    GoesOnBehind(&'a [u8]),
}

impl Write for Cut<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.left == 0 {
            match self.end {
                End::Fails => return Err(io::ErrorKind::StorageFull.into()),
                End::FailsBehind(others) => {
                    self.file.write_all(others)?;
                    return Err(io::ErrorKind::StorageFull.into());
                }
                End::GoesOnBehind(others) => {
                    self.file.write_all(others)?;
                    self.left = usize::MAX;
                }
            }
        }
        let count = bytes.len().min(self.left);
        self.left -= count;
        self.file.write(&bytes[..count])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const BEFORE: &[u8] = b"{\"n\":0}\n";
const LINES: &[u8] = b"{\"n\":1}\n{\"n\":2}\n";

/// Delivers `LINES` behind `BEFORE`, cut after `left` bytes; gives what came of it and the file.
fn cut(left: usize, end: End<'_>) -> (Result<(), Failure>, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    fs::write(&path, BEFORE).unwrap();
    let mark = mark(&path).unwrap();
    let file = open_to_append(&path).unwrap();
    let came = deliver(&path, &file, Cut { file: &file, left, end }, &mark, LINES);
    (came, fs::read(&path).unwrap())
}

#[test]
fn a_full_disk_leaves_the_file_as_it_was() {
    for left in 0..LINES.len() {
        let (came, file) = cut(left, End::Fails);
        let failure = came.unwrap_err();
        assert_eq!((failure.evidence, failure.problem.code.as_ref()), (Evidence::NotSent, "file_disk_full"), "{left}");
        assert_eq!(file, BEFORE, "{left}");
    }
}

#[test]
fn what_another_program_wrote_is_never_cut_off() {
    for left in 0..LINES.len() {
        for end in [End::FailsBehind(b"theirs\n"), End::GoesOnBehind(b"theirs\n")] {
            let goes_on = matches!(end, End::GoesOnBehind(_));
            let (came, file) = cut(left, end);
            assert_eq!(came.unwrap_err().evidence, Evidence::Unknown, "{left}");
            let rest: &[u8] = if goes_on { &LINES[left..] } else { b"" };
            assert_eq!(file, [BEFORE, &LINES[..left], b"theirs\n", rest].concat(), "{left}");
        }
    }
}

#[test]
fn errors_of_the_system_have_their_codes() {
    let cases = [
        (io::ErrorKind::NotFound, "file_missing"),
        (io::ErrorKind::NotADirectory, "file_missing"),
        (io::ErrorKind::PermissionDenied, "file_denied"),
        (io::ErrorKind::StorageFull, "file_disk_full"),
        (io::ErrorKind::QuotaExceeded, "file_disk_full"),
        (io::ErrorKind::Other, "file_unusable"),
    ];
    for (kind, code) in cases {
        let problem = explain(Path::new("a.jsonl"), &kind.into());
        assert_eq!((problem.code.as_ref(), problem.file.as_deref()), (code, Some("a.jsonl")), "{kind}");
    }
}
