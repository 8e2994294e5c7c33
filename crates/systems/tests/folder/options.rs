//! What may stand beside `type: folder`.

use model::Component;
use model::driver::SourceDriver;
use model::schema::Checker;
use serde_json::json;
use systems::folder::FolderSubscriber;

#[test]
fn good_options_fit_schema_and_check() {
    let checker = Checker::compile(&FolderSubscriber.schema()).unwrap();
    for options in [
        json!({"path": "in"}),
        json!({"path": "in/"}),
        json!({"path": ".", "glob": "**/*.{pdf,PDF}", "exclude": [], "max_bytes": 1}),
        json!({"path": "${IN}/x", "glob": "20??/[a-m]*.csv", "exclude": ["*.bak", "old"]}),
    ] {
        assert_eq!(FolderSubscriber.validate(&options), [], "{options}");
        assert!(checker.fits(&options), "{options}: {:?}", checker.problems(&options));
        assert!(FolderSubscriber.source(&options).is_ok(), "{options}");
    }
    assert_eq!(FolderSubscriber.path_options(), ["path"]);
}

#[test]
fn wrong_options_are_named_with_their_place() {
    for (options, expected) in [
        (json!({}), vec![("file_options", "")]),
        (json!({"path": "in", "globs": "*"}), vec![("file_options", "")]),
        (json!({"path": "", "max_bytes": 0}), vec![("file_path", "path"), ("file_limit", "max_bytes")]),
        (json!({"path": "a\0b"}), vec![("file_path", "path")]),
        (json!({"path": "in", "max_bytes": 1_u64 << 41}), vec![("file_limit", "max_bytes")]),
        (json!({"path": "in", "glob": "[a"}), vec![("folder_glob", "glob")]),
        (json!({"path": "in", "glob": ""}), vec![("folder_glob", "glob")]),
        (json!({"path": "in", "glob": "/etc/*"}), vec![("folder_glob", "glob")]),
        (json!({"path": "in", "glob": "../*"}), vec![("folder_glob", "glob")]),
        (json!({"path": "in", "glob": "./*"}), vec![("folder_glob", "glob")]),
        (json!({"path": "in", "exclude": ["ok", "a/b"]}), vec![("folder_glob", "exclude[1]")]),
        (json!({"path": "in", "exclude": ["{"]}), vec![("folder_glob", "exclude[0]")]),
    ] {
        let found = FolderSubscriber.validate(&options);
        let found: Vec<_> = found.iter().map(|problem| (problem.code.as_ref(), problem.place.as_str())).collect();
        assert_eq!(found, expected, "{options}");
        assert!(FolderSubscriber.source(&options).is_err(), "{options}");
    }
}
