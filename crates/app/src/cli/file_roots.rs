//! Where definitions that come over the network may name files.

use super::{Context, Failure};
use clap::Args;
use model::Problem;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::blobs::make_private_folder;

/// The folder in the data folder, where no other is named.
const FILES: &str = "files";

/// Folders of files.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct FileRoots {
    /// Folder in which definitions that come through the API may name files; may be given several times. Relative paths
    /// are taken from the first. Without it: `files` in the data folder.
    #[arg(long, value_name = "DIR", env = "TRAMONTANE_FILE_ROOTS", value_delimiter = ':')]
    file_roots: Vec<PathBuf>,
}

impl FileRoots {
    /// The folders, each from the root of the file system on.
    ///
    /// # Errors
    /// `folder_missing`, `folder_wrong` where one that is named is none.
    pub(crate) fn folders(&self, context: &Context) -> Result<Arc<[PathBuf]>, Failure> {
        if self.file_roots.is_empty() {
            return Ok(Arc::from([whole(&context.data().join(FILES))?]));
        }
        let folder = |root: &PathBuf| match root.metadata() {
            Ok(found) if found.is_dir() => whole(root),
            Ok(_) => Err(refused("folder_wrong", root, "this is no folder")),
            Err(error) => Err(refused("folder_missing", root, &error.to_string())),
        };
        self.file_roots.iter().map(folder).collect()
    }

    /// The same, the one in the data folder made where it is not there yet.
    ///
    /// # Errors
    /// As [`FileRoots::folders`], and where it cannot be made.
    pub(crate) fn made(&self, context: &Context) -> Result<Arc<[PathBuf]>, Failure> {
        let folders = self.folders(context)?;
        if self.file_roots.is_empty() {
            for folder in folders.iter() {
                let unusable = |error: std::io::Error| refused("folder_missing", folder, &error.to_string());
                make_private_folder(folder).map_err(unusable)?;
            }
        }
        Ok(folders)
    }
}

/// From the root of the file system on, without steps that lead nowhere.
fn whole(folder: &Path) -> Result<PathBuf, Failure> {
    let whole = std::path::absolute(folder).map_err(|error| refused("folder_wrong", folder, &error.to_string()))?;
    Ok(whole.components().collect())
}

fn refused(code: &'static str, folder: &Path, reason: &str) -> Failure {
    let reason = format!("{}: {reason}", folder.display());
    Failure::refused(vec![Problem::new(code, reason).at("--file-roots")])
}
