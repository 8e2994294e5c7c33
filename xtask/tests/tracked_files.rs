//! What holds for every file in the repository.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::path::{Path, PathBuf};

/// The longest Rust file, in lines. A longer one has more than one reason to exist.
const MOST_LINES: usize = 600;

/// Rust files that are longer, each with its reason. An entry that is no longer needed is an error.
const LONGER: [(&str, &str); 2] = [
    ("crates/app/tests/cli.rs", "what commands print, whole"),
    ("crates/app/tests/people.rs", "every test of it signs in, in the same few ways that only these tests need"),
];

/// Beginnings of paths that exist on one machine only.
const MACHINE_PATHS: [&str; 4] =
    [concat!("/wo", "rk/"), concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/")];

/// Every tracked file with its bytes; none where this is no checkout.
fn tracked() -> Vec<(String, Vec<u8>)> {
    let root: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned();
    if !root.join(".git").exists() {
        return Vec::new();
    }
    #[allow(clippy::disallowed_methods, reason = "git knows what is tracked")]
    let output = std::process::Command::new("git").args(["ls-files", "-z"]).current_dir(&root).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).unwrap();
    let files = names.split_terminator('\0').map(|name| (name.to_owned(), root.join(name)));
    // A file that is deleted but not yet committed is listed and not there.
    files.filter(|(_, path)| path.is_file()).map(|(name, path)| (name, std::fs::read(path).unwrap())).collect()
}

/// The first path in a text that exists on one machine only.
fn machine_path(text: &str) -> Option<&str> {
    MACHINE_PATHS.iter().find_map(|beginning| {
        text.match_indices(beginning).find_map(|(at, _)| {
            // `https://host/home/` and `docs/work/` are no such paths: something stands before them.
            let begins =
                !text[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '}' | '~'));
            begins.then(|| text[at..].split_whitespace().next().unwrap_or_default())
        })
    })
}

#[test]
fn no_file_names_a_path_of_one_machine() {
    let found: Vec<String> = tracked()
        .iter()
        .filter_map(|(name, bytes)| {
            let text = std::str::from_utf8(bytes).ok()?;
            machine_path(text).map(|path| format!("{name}: {path}"))
        })
        .collect();
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn no_rust_file_is_too_long() {
    let lengths: Vec<(String, usize)> = tracked()
        .into_iter()
        .filter(|(name, _)| name.ends_with(".rs"))
        .map(|(name, bytes)| (name, bytes.split(|byte| *byte == b'\n').count() - 1))
        .collect();
    let listed = |name: &str| LONGER.iter().any(|(longer, _)| *longer == name);
    let too_long: Vec<_> = lengths.iter().filter(|(name, lines)| *lines > MOST_LINES && !listed(name)).collect();
    assert!(too_long.is_empty(), "split these, or list them with a reason: {too_long:?}");
    if !lengths.is_empty() {
        let long = |name: &str| lengths.iter().any(|(file, lines)| file == name && *lines > MOST_LINES);
        let needless: Vec<_> = LONGER.iter().filter(|(name, _)| !long(name)).collect();
        assert!(needless.is_empty(), "these need no exception any more: {needless:?}");
    }
}

#[test]
fn paths_of_one_machine_are_told_from_others() {
    let [work, home, root, users] = MACHINE_PATHS;
    for text in [work, &format!("in {home}me/x"), &format!("\"{root}x\""), &format!("({users}me")] {
        assert!(machine_path(text).is_some(), "{text}");
    }
    for text in
        ["/workflows/x", "~/x", &format!("https://host{home}x"), &format!("docs{work}"), &format!("{{id}}{users}x")]
    {
        assert_eq!(machine_path(text), None, "{text}");
    }
}
