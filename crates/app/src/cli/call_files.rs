//! `tramontane call`: files that come from the command line, and where a file goes that is the answer.

use engine::exchange::Files;
use model::Problem;
use model::driver::Kept;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use store::StoreError;

/// Files that were named on the command line; their ids are their places in it.
pub(super) struct Typed {
    files: Vec<PathBuf>,
    out: Out,
}

/// Where an answer goes that is a file.
pub(super) enum Out {
    Path(PathBuf),
    Stdout,
    /// Only what it is is asked for.
    Nowhere,
}

impl Typed {
    pub(super) fn new(files: &[(String, String)], out: Out) -> Self {
        Self { files: files.iter().map(|(_, path)| PathBuf::from(path)).collect(), out }
    }
}

impl Files for Typed {
    fn open(&self, id: &str) -> Result<File, Problem> {
        let path = usize::from_str_radix(id, 16).ok().and_then(|index| self.files.get(index));
        let path = path.ok_or_else(|| {
            let problem = Problem::new("blob_missing", format!("there is no blob \"{id}\" here"));
            problem.hint("blobs belong to a store; here files are brought in with --file FIELD=PATH")
        })?;
        File::open(path).map_err(|error| Problem::new("file_unreadable", format!("{}: {error}", path.display())))
    }

    /// Under its name a file stands only when it is whole.
    fn keep(&self, from: &mut dyn Read) -> Result<Kept, StoreError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error| StoreError::io("cannot write", &path, error)
        };
        match &self.out {
            Out::Nowhere => pass(from, &mut io::sink()).map_err(failed(Path::new("nowhere"))),
            Out::Stdout => pass(from, &mut io::stdout().lock()).map_err(failed(Path::new("to stdout"))),
            // A device, a pipe: there is nothing to be put in the place of.
            Out::Path(path) if path.exists() && !path.is_file() => {
                let written = OpenOptions::new().write(true).open(path).and_then(|mut to| pass(from, &mut to));
                written.map_err(failed(path))
            }
            Out::Path(path) => {
                let mut part = path.as_os_str().to_owned();
                part.push(".part");
                let part = PathBuf::from(part);
                let written = File::create(&part).and_then(|mut file| pass(from, &mut file));
                let written = written.and_then(|kept| std::fs::rename(&part, path).map(|()| kept));
                written.map_err(|error| {
                    let _ = std::fs::remove_file(&part);
                    failed(path)(error)
                })
            }
        }
    }
}

/// Writes what is read, and says what it was.
fn pass(from: &mut dyn Read, to: &mut dyn Write) -> io::Result<Kept> {
    let (mut hash, mut size, mut piece) = (Sha256::new(), 0, vec![0; 64 << 10]);
    loop {
        let length = from.read(&mut piece)?;
        let read = piece.get(..length).unwrap_or_default();
        if read.is_empty() {
            break;
        }
        hash.update(read);
        to.write_all(read)?;
        size += read.len() as u64;
    }
    to.flush()?;
    let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Kept { id: String::new(), size, sha256 })
}

/// What stands for a file of the command line in a payload.
///
/// # Errors
/// `file_unreadable` where it is none.
pub(super) fn typed_file(index: usize, path: &str) -> Result<Value, Problem> {
    let unreadable = |why: String| Problem::new("file_unreadable", format!("{path}: {why}")).at("--file");
    let data = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?;
    if !data.is_file() {
        return Err(unreadable("is no file".to_owned()));
    }
    let filename = Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or("file");
    Ok(json!({ "$blob": format!("{index:032x}"), "filename": filename, "size": data.len() }))
}
