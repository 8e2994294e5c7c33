//! A private cluster of PostgreSQL, made with the server's own tools and gone with the process that made it.
//!
//! A keeper, a shell that reads from a pipe of ours, holds the server: whatever ends this process closes the pipe, and
//! then the keeper stops the server and deletes its folder.
#![allow(clippy::disallowed_methods, reason = "the server is a process, and whether it must be there is a variable")]
#![allow(clippy::print_stderr, reason = "that a suite did not run must be seen")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![allow(dead_code, reason = "each file of tests uses what it needs")]

pub(crate) mod proxy;

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// What the keeper does: `keep` leaves the folder for the next server.
const KEEPER: &str = r#"
trap '' INT TERM
folder=$1
shift
"$@" >>"$folder/log" 2>&1 </dev/null &
read -r word
kill -QUIT $!
wait
[ "$word" = keep ] || rm -rf "$folder"
"#;
/// So long a server may take to get ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server with its data.
pub(crate) struct Cluster {
    tools: &'static Tools,
    folder: PathBuf,
    keeper: Child,
    schemas: u32,
}

/// The server's programs, and whom they run as.
struct Tools {
    folder: PathBuf,
    version: String,
    /// Of the user; `None`: as we do. The server refuses to run as root.
    user: Option<(u32, u32)>,
}

/// Whether there is a server to run. Says so where there is none, and fails where there must be one.
pub(crate) fn available() -> bool {
    if tools().is_some() {
        return true;
    }
    let required = std::env::var("CI_POSTGRES").is_ok_and(|value| value == "required");
    assert!(!required, "CI_POSTGRES=required, and PostgreSQL's server tools are nowhere to be found");
    eprintln!("NOT TESTED: PostgreSQL's server tools (initdb, postgres, psql) are missing; apt install postgresql");
    false
}

fn tools() -> Option<&'static Tools> {
    static TOOLS: OnceLock<Option<Tools>> = OnceLock::new();
    TOOLS.get_or_init(find_tools).as_ref()
}

fn find_tools() -> Option<Tools> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    if let Ok(versions) = fs::read_dir("/usr/lib/postgresql") {
        let mut versions: Vec<PathBuf> = versions.flatten().map(|entry| entry.path().join("bin")).collect();
        versions.sort();
        folders.extend(versions.into_iter().rev());
    }
    let has_all = |folder: &PathBuf| ["initdb", "postgres", "psql"].iter().all(|tool| folder.join(tool).exists());
    let folder = folders.into_iter().find(has_all)?;
    let version = Command::new(folder.join("postgres")).arg("--version").output().ok()?.stdout;
    let version = String::from_utf8_lossy(&version).split_whitespace().nth(2)?.to_owned();
    Some(Tools { folder, version, user: user() })
}

/// Whom the server runs as where we are root.
fn user() -> Option<(u32, u32)> {
    let ours = tempfile::tempdir().unwrap();
    if fs::metadata(ours.path()).unwrap().uid() != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let find = |name: &str| {
        let fields: Vec<&str> =
            users.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields[0] == name)?;
        Some((fields[2].parse().ok()?, fields[3].parse().ok()?))
    };
    Some(find("postgres").or_else(|| find("nobody")).unwrap())
}

impl Tools {
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command.current_dir("/");
        command
    }

    fn give(&self, path: &Path) -> io::Result<()> {
        self.user.map_or(Ok(()), |(user, group)| chown(path, Some(user), Some(group)))
    }

    /// An empty folder that the server's user owns.
    fn folder(&self) -> PathBuf {
        let folder = tempfile::Builder::new().prefix("tramontane-pg-").tempdir().unwrap().keep();
        self.give(&folder).unwrap();
        folder
    }

    /// A cluster that was never started, kept from run to run: copying it is much faster than making it.
    fn template(&self) -> PathBuf {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let template = kept.join(format!("postgres-{}", self.version));
        let lock = File::create(kept.join("postgres.lock")).unwrap();
        lock.lock().unwrap();
        if !template.exists() {
            let folder = self.folder();
            let made = self
                .command(self.folder.join("initdb"))
                .args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale", "--no-sync"])
                .args(["--wal-segsize=4", "--pgdata"])
                .arg(folder.join("data"))
                .output()
                .unwrap();
            assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
            let unfinished = kept.join("postgres-unfinished");
            let _ = fs::remove_dir_all(&unfinished);
            copy(&folder.join("data"), &unfinished, &|_| Ok(())).unwrap();
            fs::rename(&unfinished, &template).unwrap();
            fs::remove_dir_all(folder).unwrap();
        }
        template
    }
}

fn copy(from: &Path, to: &Path, give: &dyn Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    fs::create_dir(to)?;
    fs::set_permissions(to, Permissions::from_mode(0o700))?;
    give(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to, give)?;
        } else {
            fs::copy(entry.path(), &to)?;
            give(&to)?;
        }
    }
    Ok(())
}

impl Cluster {
    /// Starts a server on an empty cluster.
    pub(crate) fn start() -> Self {
        let tools = tools().unwrap();
        let folder = tools.folder();
        copy(&tools.template(), &folder.join("data"), &|path| tools.give(path)).unwrap();
        let keeper = run_server(tools, &folder);
        Self { tools, folder, keeper, schemas: 0 }
    }

    /// The URL of an empty schema in this cluster.
    pub(crate) fn empty(&mut self) -> String {
        self.schemas += 1;
        let schema = format!("store_{}", self.schemas);
        self.ask(&format!("CREATE SCHEMA {schema}"));
        format!("{}&options=-csearch_path%3D{schema}", self.url())
    }

    /// Deletes every schema that was given out: a crash costs time for each file there is.
    pub(crate) fn clear(&mut self) {
        for schema in 1..=self.schemas {
            self.ask(&format!("DROP SCHEMA IF EXISTS store_{schema} CASCADE"));
        }
        self.schemas = 0;
    }

    /// Where its socket is.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The URL of the cluster's own database.
    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@localhost/postgres?host={}", self.folder.display())
    }

    /// Runs statements as the cluster's owner, and returns what they print.
    pub(crate) fn ask(&self, sql: &str) -> String {
        self.try_sql(sql).unwrap_or_else(|said| panic!("{sql}: {said}"))
    }

    /// The same, where the server may refuse.
    pub(crate) fn try_sql(&self, sql: &str) -> Result<String, String> {
        let asked = self
            .tools
            .command(self.tools.folder.join("psql"))
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"])
            .args(["--username=postgres", "--dbname=postgres", "--command", sql, "--host"])
            .arg(&self.folder)
            .output()
            .unwrap();
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if asked.status.success() { Ok(said(&asked.stdout)) } else { Err(said(&asked.stderr)) }
    }

    /// What the server has written for its administrator.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap()
    }

    /// Ends the server on the spot, as a crash would: no checkpoint, no farewell to clients.
    pub(crate) fn crash(&mut self) {
        self.keeper.stdin.take().unwrap().write_all(b"keep\n").unwrap();
        self.keeper.wait().unwrap();
    }

    /// Starts the server again, and waits until it has put its data in order.
    pub(crate) fn restart(&mut self) {
        self.keeper = run_server(self.tools, &self.folder);
    }
}

impl Drop for Cluster {
    /// The keeper does the rest.
    fn drop(&mut self) {
        self.keeper.stdin = None;
        let _ = self.keeper.wait();
    }
}

fn run_server(tools: &Tools, folder: &Path) -> Child {
    let data = folder.join("data");
    let mut keeper = tools
        .command("/bin/sh")
        .args(["-c", KEEPER, "keeper"])
        .arg(folder)
        .arg(tools.folder.join("postgres"))
        .arg("-D")
        .arg(&data)
        .arg("-k")
        .arg(folder)
        .args(["-c", "listen_addresses=", "-c", "fsync=on", "-c", "shared_buffers=16MB"])
        .args(["-c", "max_connections=60", "-c", "max_wal_size=256MB"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while !is_ready(&data) {
        if begun.elapsed() > PATIENCE {
            let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
            keeper.stdin = None;
            panic!("the server did not get ready:\n{log}");
        }
        std::thread::sleep(Duration::from_millis(3));
    }
    keeper
}

/// The eighth line of this file says how the server is. A server that was ended on the spot has deleted it.
fn is_ready(data: &Path) -> bool {
    let text = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
    text.lines().nth(7).is_some_and(|line| line.trim() == "ready")
}
