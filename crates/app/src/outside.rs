//! What is read from outside the store and the definitions: files with keys and secrets, and commands that print them.

use model::Problem;
use secrecy::SecretString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

/// The largest key or secret that is read, in bytes.
pub(crate) const LARGEST: usize = store::secrets::LONGEST_VALUE;
/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads a file that nobody but its owner may read or write; `None` where it is not there.
///
/// # Errors
/// `store_key_open` where others may; `store_key_file` where it cannot be read.
pub(crate) fn private_file(path: &Path) -> Result<Option<SecretString>, Problem> {
    let failed = |error: io::Error| {
        Problem::new("store_key_file", format!("cannot read {}: {error}", path.display()))
            .hint("check the file and its permissions")
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    // Asked of the open file: another one cannot be put into its place meanwhile.
    let about = file.metadata().map_err(failed)?;
    let mode = about.permissions().mode() & 0o777;
    if about.is_file() && mode & 0o077 != 0 {
        let reason = format!("others may read or write {}: its mode is {mode:o}", path.display());
        let hint =
            format!("chmod 600 {}; if somebody may have read it, change the key: secrets rotate", path.display());
        return Err(Problem::new("store_key_open", reason).hint(hint));
    }
    text(file).map(Some).map_err(failed)
}

/// Reads a file of a folder; `None` where it is not there. The name is one of a secret, so it leads nowhere else.
///
/// # Errors
/// `secret_file` where it cannot be read.
pub(crate) fn file_in(folder: &Path, name: &str) -> Result<Option<SecretString>, Problem> {
    let path = folder.join(name);
    let failed = |error: io::Error| Problem::new("secret_file", format!("cannot read {}: {error}", path.display()));
    match File::open(&path) {
        Ok(file) => text(file).map(Some).map_err(failed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// Reads a text under a cap, without the line end that editors put behind it.
pub(crate) fn text(from: impl Read) -> io::Result<SecretString> {
    let mut bytes = Vec::new();
    from.take(LARGEST as u64 + 3).read_to_end(&mut bytes)?;
    whole(bytes)
}

fn whole(bytes: Vec<u8>) -> io::Result<SecretString> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut text = String::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8"))?;
    let end = text.strip_suffix('\n').map(|text| text.strip_suffix('\r').unwrap_or(text).len());
    text.truncate(end.unwrap_or(text.len()));
    if text.len() > LARGEST {
        return Err(wrong("it is longer than 64 KiB"));
    }
    Ok(text.into())
}

/// Asks a command for a key or a secret: what it prints. Its words are parted by spaces; no shell reads them. `None` where
/// it ends with an exit code other than 0 and prints nothing: it does not have that secret.
///
/// # Errors
/// `command_failed`; what it printed is not in it.
pub(crate) async fn ask_command(line: &str, argument: Option<&str>) -> Result<Option<SecretString>, Problem> {
    let mut words = line.split_whitespace();
    let program = words.next().unwrap_or_default();
    let failed = |reason: String| {
        Problem::new("command_failed", format!("the command {program} {reason}")).hint("try it by hand")
    };
    // The one place where the product starts a process. Vaults are reached by programs of their own, which nobody but
    // whoever starts the server can name: no definition, no data and no request has a part in these words, but the name
    // of a secret, which is letters, digits and underscores.
    #[allow(clippy::disallowed_methods, reason = "said above")]
    let mut command = Command::new(program);
    command.args(words).args(argument).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    // A vault's program has no use for what opens ours.
    for name in crate::settings::OWN_SECRETS {
        command.env_remove(name);
    }
    let mut child =
        command.kill_on_drop(true).spawn().map_err(|error| failed(format!("cannot be started: {error}")))?;
    let Some(stdout) = child.stdout.take() else { return Err(failed("prints nowhere".to_owned())) };
    let ended = tokio::time::timeout(PATIENCE, async {
        let mut printed = Vec::new();
        stdout.take(LARGEST as u64 + 3).read_to_end(&mut printed).await?;
        let status = child.wait().await?;
        Ok::<_, io::Error>((printed, status))
    });
    let (printed, status) = match ended.await {
        Ok(ended) => ended.map_err(|error| failed(error.to_string()))?,
        Err(_) => return Err(failed(format!("took longer than {} s", PATIENCE.as_secs()))),
    };
    match status.code() {
        Some(0) => whole(printed).map(Some).map_err(|error| failed(format!("printed what is no secret: {error}"))),
        Some(_) if printed.is_empty() => Ok(None),
        code => Err(failed(format!("ended with {}", code.map_or("a signal".to_owned(), |code| code.to_string())))),
    }
}

#[cfg(test)]
#[path = "outside_tests.rs"]
mod tests;
