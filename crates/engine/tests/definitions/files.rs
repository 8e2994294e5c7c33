//! Files and folders.

use crate::{brief, fake};
use engine::definitions::{Draft, MAX_FILE_BYTES, plan};
use std::fs;
use tempfile::TempDir;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn outgoing(name: &str) -> String {
    format!("outgoing:\n  {name}: {{ publisher: {{ type: none }} }}\n")
}

#[test]
fn a_folder_is_all_its_definitions_files() {
    let folder = folder(&[
        ("b.yaml", &outgoing("b")),
        ("a.yml", &outgoing("a")),
        ("c.json", r#"{"outgoing": {"c": {"publisher": {"type": "none"}}}}"#),
        ("data.jsonl", "no definitions"),
        ("readme.md", "no definitions"),
        (".hidden.yaml", "no definitions"),
    ]);
    fs::create_dir(folder.path().join("sub")).unwrap();
    fs::write(folder.path().join("sub/d.yaml"), "no definitions").unwrap();
    let draft = Draft::read(folder.path()).unwrap();
    let names: Vec<&str> = draft.names().map(|(_, name)| name).collect();
    assert_eq!(names, ["a", "b", "c"]);
}

#[test]
fn the_same_name_in_two_files_names_both() {
    let folder = folder(&[("a.yaml", &outgoing("x")), ("b.yaml", &format!("\n\n{}", outgoing("x")))]);
    let found = Draft::read(folder.path()).unwrap_err();
    assert_eq!(brief(&found), [("defined_twice".to_owned(), "outgoing.x".to_owned(), Some(4))]);
    assert!(found[0].file.as_deref().unwrap().ends_with("b.yaml"));
    assert!(found[0].reason.contains("a.yaml, line 2"), "{}", found[0].reason);
}

#[test]
fn what_cannot_be_read_is_said() {
    let empty = folder(&[("readme.md", "")]);
    let large = folder(&[("a.yaml", &"#".repeat(usize::try_from(MAX_FILE_BYTES).unwrap() + 1))]);
    let strange = folder(&[]);
    fs::create_dir(strange.path().join("a.yaml")).unwrap();
    let cases = [
        (empty.path().to_owned(), "no_definitions"),
        (empty.path().join("missing"), "file_unreadable"),
        (large.path().to_owned(), "file_too_large"),
        (large.path().join("a.yaml"), "file_too_large"),
        (strange.path().to_owned(), "file_unreadable"),
    ];
    for (path, code) in cases {
        let found = Draft::read(&path).unwrap_err();
        assert_eq!(found[0].code, code, "{}", path.display());
        assert!(found[0].file.is_some());
    }
}

#[cfg(unix)]
#[test]
fn links_out_of_the_folder_are_not_followed() {
    let outside = folder(&[("secret.yaml", &outgoing("x"))]);
    let inside = folder(&[("a.yaml", &outgoing("a"))]);
    std::os::unix::fs::symlink(inside.path().join("a.yaml"), inside.path().join("b.txt")).unwrap();
    assert!(Draft::read(inside.path()).is_ok());
    std::os::unix::fs::symlink(outside.path().join("secret.yaml"), inside.path().join("b.yaml")).unwrap();
    assert_eq!(Draft::read(inside.path()).unwrap_err()[0].code, "file_outside");
}

#[test]
fn relative_paths_are_taken_from_the_folder() {
    let cases = [
        ("products.jsonl", "HERE/products.jsonl"),
        ("./out//x.jsonl", "HERE/out/x.jsonl"),
        ("../x.jsonl", "HERE/../x.jsonl"),
        ("/data/x.jsonl", "/data/x.jsonl"),
        ("${DATA}/x.jsonl", "${DATA}/x.jsonl"),
        ("x-${DAY}.jsonl", "HERE/x-${DAY}.jsonl"),
    ];
    for (written, expected) in cases {
        let text = format!(
            "incoming:\n  i: {{ subscriber: {{ type: file, path: \"{written}\" }} }}\noutgoing:\n  o: {{ publisher: {{ type: file, path: \"{written}\" }} }}\n"
        );
        let folder = folder(&[("a.yaml", &text)]);
        let here = folder.path().canonicalize().unwrap();
        let expected = expected.replace("HERE", here.to_str().unwrap());
        for read in [folder.path().to_owned(), folder.path().join("a.yaml")] {
            let plan = plan(Draft::read(&read).unwrap(), &[], &fake::registry(), false).unwrap();
            assert_eq!(plan.definitions.incoming["i"].subscriber.options["path"], expected, "{written}");
            assert_eq!(plan.definitions.outgoing["o"].publisher.options["path"], expected, "{written}");
        }
    }
}
