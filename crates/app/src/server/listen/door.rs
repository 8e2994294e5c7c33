//! Where it listens, and what has to be so before others than this machine may come.

use super::Proxies;
use model::Problem;
use std::fmt;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use store::{Store, StoreError};
use tokio::net::{TcpListener, UnixListener, UnixStream};

/// Where it listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// On an address.
    Tcp(SocketAddr),
    /// On a socket in the file system, for its owner alone.
    Unix(PathBuf),
}

/// A door that is open.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl FromStr for Door {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:").filter(|path| path.starts_with('/')) {
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        let wrong = |_| "write an address with a port (127.0.0.1:8420), or unix:/path/of/a/socket".to_owned();
        text.parse().map(Self::Tcp).map_err(wrong)
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "http://{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Door {
    /// Whether other machines can come to it.
    fn is_wide(&self) -> bool {
        matches!(self, Self::Tcp(address) if !address.ip().to_canonical().is_loopback())
    }

    /// Its address; `None` in the file system.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// Opens it; returns where it is, with the port that it got.
    ///
    /// # Errors
    /// `address_taken`.
    pub(crate) async fn open(&self) -> Result<(Self, Listener), Problem> {
        let failed = |error: std::io::Error| {
            let problem = Problem::new("address_taken", format!("cannot listen on {self}: {error}"));
            problem.hint("name another address with --listen; port 0 takes any that is free")
        };
        match self {
            Self::Tcp(address) => {
                let listener = TcpListener::bind(address).await.map_err(failed)?;
                let own = listener.local_addr().unwrap_or(*address);
                Ok((Self::Tcp(own), Listener::Tcp(listener)))
            }
            Self::Unix(path) => {
                let listener = private_socket(path).await.map_err(failed)?;
                Ok((self.clone(), Listener::Unix(listener)))
            }
        }
    }
}

/// Makes a socket for its owner alone. One that was left behind is replaced, one that somebody listens on is not.
async fn private_socket(path: &Path) -> std::io::Result<UnixListener> {
    let is_socket = std::fs::symlink_metadata(path).map(|found| found.file_type().is_socket());
    match is_socket {
        Ok(true) if UnixStream::connect(path).await.is_ok() => return Err(std::io::ErrorKind::AddrInUse.into()),
        Ok(false) => return Err(std::io::ErrorKind::AlreadyExists.into()),
        _ => {}
    }
    // Nobody finds it before it is private.
    let mut hidden = path.as_os_str().to_owned();
    hidden.push(".new");
    let hidden = PathBuf::from(hidden);
    let _ = std::fs::remove_file(&hidden);
    let listener = UnixListener::bind(&hidden)?;
    std::fs::set_permissions(&hidden, std::fs::Permissions::from_mode(0o600))?;
    std::fs::rename(&hidden, path)?;
    Ok(listener)
}

/// Whether these doors may be opened. To one that other machines can come to belong a proxy, which does TLS, and people.
///
/// # Errors
/// `proxy_missing`, `people_missing`, `metrics_open`.
pub(crate) async fn may_open(
    doors: &[Door],
    proxies: &Proxies,
    open_metrics: bool,
    store: &dyn Store,
) -> Result<Result<(), Problem>, StoreError> {
    let Some(wide) = doors.iter().find(|door| door.is_wide()) else { return Ok(Ok(())) };
    if proxies.is_empty() {
        let reason = format!("other machines can come to {wide}, and no proxy is named that does TLS before it");
        return Ok(Err(Problem::new("proxy_missing", reason)
            .at("--behind-proxy")
            .hint("name the address that the proxy connects from: --behind-proxy 10.0.0.5, or listen on 127.0.0.1")));
    }
    if open_metrics {
        let reason = format!("other machines can come to {wide}, and would be shown /metrics without a token");
        let problem = Problem::new("metrics_open", reason).at("--open-metrics");
        return Ok(Err(problem.hint("leave --open-metrics out: a collector can send the token of a viewer")));
    }
    if !has_people(store).await? {
        let reason = format!("other machines can come to {wide}, and nobody is set up who may ask for anything");
        let hint = "tramontane people add NAME --role admin, then tramontane people password NAME or tokens add NAME";
        return Ok(Err(Problem::new("people_missing", reason).hint(hint)));
    }
    Ok(Ok(()))
}

/// Whether there is somebody who can show who they are.
async fn has_people(store: &dyn Store) -> Result<bool, StoreError> {
    let (people, tokens, ways) = (store.people().await?, store.access_tokens().await?, store.ways_in().await?);
    let has_way = |name: &str| {
        tokens.iter().any(|token| token.person == name) || ways.iter().any(|way| way.person == name && way.has_password)
    };
    Ok(people.iter().any(|person| !person.is_disabled && has_way(&person.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_is_an_address_or_a_path() {
        let wide = ["0.0.0.0:80", "[::]:80", "192.0.2.1:1", "[::ffff:10.0.0.1]:1"];
        let own = ["127.0.0.1:0", "[::1]:80", "127.8.9.10:80", "[::ffff:127.0.0.1]:1", "unix:/run/t.sock"];
        assert!(wide.iter().all(|text| text.parse::<Door>().unwrap().is_wide()));
        assert!(own.iter().all(|text| !text.parse::<Door>().unwrap().is_wide()));
        for wrong in ["", "localhost:80", "127.0.0.1", "unix:", "unix:relative", "unix:./x", ":80"] {
            assert!(wrong.parse::<Door>().is_err(), "{wrong}");
        }
    }
}
