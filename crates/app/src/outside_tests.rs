use super::*;
use secrecy::ExposeSecret as _;
use std::fs;

fn shown(text: &SecretString) -> &str {
    text.expose_secret()
}

#[test]
fn a_key_file_that_others_may_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    assert!(private_file(&path).unwrap().is_none());
    fs::write(&path, "secret\n").unwrap();
    for (mode, is_private) in
        [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o602, false), (0o620, false), (0o610, false)]
    {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        match private_file(&path) {
            Ok(text) => assert!(is_private && shown(&text.unwrap()) == "secret", "{mode:o}"),
            Err(problem) => {
                assert!(!is_private && problem.code == "store_key_open", "{mode:o}: {problem}");
                assert!(!problem.to_string().contains("secret\n"), "{problem}");
            }
        }
    }
}

#[test]
fn a_text_ends_before_its_line_end_and_is_bounded() {
    for (written, read) in
        [("a", Some("a")), ("a\n", Some("a")), ("a\r\n", Some("a")), ("a\n\n", Some("a\n")), ("", Some(""))]
    {
        assert_eq!(text(written.as_bytes()).ok().as_ref().map(shown), read, "{written:?}");
    }
    let longest = "x".repeat(LARGEST);
    assert!(text(format!("{longest}\r\n").as_bytes()).is_ok());
    assert!(text(format!("{longest}x").as_bytes()).is_err());
    assert!(text(&b"\xff"[..]).is_err());
}

#[tokio::test]
async fn a_command_is_asked_without_a_shell() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("vault");
    let body = "#!/bin/sh\ncase \"$2\" in ONE) echo \"value of $2 $#\";; BAD) echo half; exit 3;; SLOW) exec sleep 60;; *) exit 1;; esac\n";
    fs::write(&script, body).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
    let line = format!("{}  get", script.display());
    let asked = async |argument: &'static str| ask_command(&line, Some(argument)).await;
    assert_eq!(asked("ONE").await.unwrap().as_ref().map(shown), Some("value of ONE 2"));
    assert!(asked("NONE").await.unwrap().is_none(), "it does not have it");
    for wrong in ["BAD"] {
        let problem = asked(wrong).await.unwrap_err();
        assert!(problem.code == "command_failed" && !problem.to_string().contains("half"), "{problem}");
    }
    // No shell: what follows is one word more.
    let line = format!("{} get; touch {}", script.display(), folder.path().join("made").display());
    let _ = ask_command(&line, Some("ONE")).await;
    assert!(!folder.path().join("made").exists());
    assert_eq!(ask_command("/there/is/none", None).await.unwrap_err().code, "command_failed");
}

#[tokio::test(start_paused = true)]
async fn a_command_that_hangs_is_given_up() {
    let problem = ask_command("/bin/sleep 3600", None).await.unwrap_err();
    assert!(problem.reason.contains("longer than 10 s"), "{problem}");
}
