//! Catalogues that were imported, in the data folder: `catalogue/imports.json` says which there are and which is in use,
//! `catalogue/<number>.json` is one of them. Only what `imports.json` names is ever read, and it is replaced whole.

use connectors::mistral::catalogue::{install, shipped};
use connectors::openapi::catalogue::Catalogue;
use connectors::openapi::embedded;
use model::{Millis, Problem};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

const FOLDER: &str = "catalogue";
const INDEX: &str = "imports.json";

/// More bytes than a compiled catalogue has.
const MOST: u64 = 64 << 20;

/// What was imported.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Imports {
    /// The one in use; `None`: the shipped catalogue.
    pub(crate) in_use: Option<u32>,
    /// Every import, the oldest first.
    pub(crate) imports: Vec<Import>,
}

/// One import.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Import {
    pub(crate) number: u32,
    /// Name of the document's file.
    pub(crate) file: String,
    pub(crate) sha256: String,
    /// The document's version.
    pub(crate) version: String,
    /// How many operations it has.
    pub(crate) operations: usize,
    /// When it was imported.
    pub(crate) at: Millis,
    /// What was in use before: what `undo` goes back to.
    pub(crate) replaced: Option<u32>,
    /// SHA-256 of what the shipped catalogue of that time was made from.
    pub(crate) shipped: String,
}

impl Import {
    /// Whether the program has had a newer catalogue of its own since.
    pub(crate) fn is_overtaken(&self) -> bool {
        self.shipped != shipped().source.sha256
    }
}

/// Puts the imported catalogue that is in use in the place of the shipped one. Before anything asks for it.
///
/// # Errors
/// `import_broken`.
pub(crate) fn use_imported(data: &Path) -> Result<(), Problem> {
    let imports = Imports::read(data)?;
    if let Some(number) = imports.in_use {
        install(load(data, number)?);
    }
    Ok(())
}

impl Imports {
    /// # Errors
    /// `import_broken`.
    pub(crate) fn read(data: &Path) -> Result<Self, Problem> {
        let path = data.join(FOLDER).join(INDEX);
        match read(&path) {
            Ok(text) => serde_json::from_str(&text).map_err(|error| broken_index(&path, &error.to_string())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(broken_index(&path, &error.to_string())),
        }
    }

    /// The import in use.
    pub(crate) fn current(&self) -> Option<&Import> {
        let number = self.in_use?;
        self.imports.iter().find(|import| import.number == number)
    }

    /// Keeps a catalogue and takes it into use; its number. Cut anywhere, the one before stays in use.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn add(&mut self, data: &Path, file: &str, catalogue: &Catalogue, at: Millis) -> Result<u32, Problem> {
        let number = self.imports.iter().map(|import| import.number).max().unwrap_or(0) + 1;
        let folder = data.join(FOLDER);
        write_whole(&folder.join(format!("{number}.json")), embedded::write(catalogue)?.as_bytes())?;
        let source = catalogue.source.clone();
        self.imports.push(Import {
            number,
            file: file.to_owned(),
            sha256: source.sha256,
            version: source.version,
            operations: source.operations,
            at,
            replaced: self.in_use,
            shipped: shipped().source.sha256.clone(),
        });
        self.in_use = Some(number);
        self.save(data)?;
        Ok(number)
    }

    /// Goes back to what the import in use replaced; that import, or `None` where the shipped catalogue is in use.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn undo(&mut self, data: &Path) -> Result<Option<Import>, Problem> {
        let Some(current) = self.current().cloned() else { return Ok(None) };
        self.in_use = current.replaced;
        self.save(data)?;
        Ok(Some(current))
    }

    fn save(&self, data: &Path) -> Result<(), Problem> {
        let path = data.join(FOLDER).join(INDEX);
        let text = serde_json::to_vec_pretty(self).map_err(|error| broken(&path, &error.to_string()))?;
        write_whole(&path, &text)
    }
}

/// The catalogue of an import.
fn load(data: &Path, number: u32) -> Result<Catalogue, Problem> {
    let path = data.join(FOLDER).join(format!("{number}.json"));
    let text = read(&path).map_err(|error| broken(&path, &error.to_string()))?;
    embedded::load(&text).map_err(|problem| broken(&path, &problem.reason))
}

/// Reads one of our own files; none of them comes near the cap.
fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MOST).read_to_string(&mut text)?;
    Ok(text)
}

fn broken(path: &Path, reason: &str) -> Problem {
    let hint = "tramontane catalogue undo goes back to the catalogue before; or import the document anew";
    Problem { file: Some(path.display().to_string()), ..Problem::new("import_broken", reason) }.hint(hint)
}

fn broken_index(path: &Path, reason: &str) -> Problem {
    broken(path, reason).hint("delete the file, which forgets all imports, and import the document anew")
}

/// A file that is whole or not there, also after a power cut.
fn write_whole(path: &Path, content: &[u8]) -> Result<(), Problem> {
    let folder = path.parent().map(PathBuf::from).unwrap_or_default();
    let part = path.with_extension("part");
    let written = || {
        store::blobs::make_private_folder(&folder)?;
        let mut file = File::create(&part)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&part, path)?;
        File::open(&folder)?.sync_all()
    };
    written().map_err(|error| Problem::new("file_unwritable", format!("{}: {error}", path.display())))
}
