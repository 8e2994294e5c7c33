use super::*;
use futures_util::TryStreamExt;
use model::form::{Field, FilePart};
use store::blobs::{BlobId, Blobs};

struct Folder(Blobs);

impl Files for Folder {
    fn open(&self, id: &str) -> Result<std::fs::File, Problem> {
        let id = BlobId::parse(id).ok_or_else(|| Problem::new("blob_missing", "no id"))?;
        self.0.open(&id).map_err(|error| error.problem())
    }

    fn keep(&self, _: &mut dyn Read) -> Result<Kept, StoreError> {
        Err(StoreError::Closed)
    }
}

fn form(ids: &[&str]) -> Form {
    let file = |id: &&str| Field {
        name: "file".to_owned(),
        content: Content::File(FilePart {
            filename: "a".to_owned(),
            media_type: "text/plain".to_owned(),
            source: FileSource::Blob((*id).to_owned()),
        }),
    };
    let mut fields = vec![Field { name: "t".to_owned(), content: Content::Text("x".to_owned()) }];
    fields.extend(ids.iter().map(file));
    Form(fields)
}

#[tokio::test]
async fn the_length_is_that_of_the_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::new(folder.path());
    for size in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 7] {
        let (id, _) = blobs.create(0, &mut &vec![b'a'; size][..]).unwrap();
        let written = write(&form(&[id.as_str(), id.as_str()]), &Folder(blobs.clone())).unwrap();
        let length = written.length;
        let pieces: Vec<Bytes> = written.into_stream().try_collect().await.unwrap();
        assert_eq!(pieces.iter().map(Bytes::len).sum::<usize>() as u64, length, "{size}");
        assert!(pieces.iter().all(|piece| piece.len() <= PIECE), "never whole");
    }
}

#[tokio::test]
async fn a_file_that_shrinks_breaks_the_request_off() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::new(folder.path());
    let (id, _) = blobs.create(0, &mut &vec![b'a'; 3 * PIECE][..]).unwrap();
    let written = write(&form(&[id.as_str()]), &Folder(blobs.clone())).unwrap();
    let path = folder.path().join(&id.as_str()[..2]).join(id.as_str());
    std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(PIECE as u64).unwrap();
    let error = written.into_stream().try_collect::<Vec<_>>().await.unwrap_err();
    assert!(error.get_ref().is_some_and(|inner| inner.is::<FileShrank>()), "{error}");
}

#[test]
fn a_blob_that_is_missing_is_told_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::new(folder.path());
    for id in ["0123456789abcdef0123456789abcdef", "../x", ""] {
        assert_eq!(write(&form(&[id]), &Folder(blobs.clone())).err().unwrap().code, "blob_missing", "{id}");
    }
}
