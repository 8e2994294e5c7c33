use super::*;
use model::{Evidence, Problem};

const KEY: &str = "sk-Canary+4711/\"x\\y=";

fn redaction() -> Redaction {
    Redaction::of(&Keys { api_key: Some(KEY.into()), admin_key: Some("short".into()), user_key: None })
}

fn answer(body: &str, truncated: bool) -> HttpAnswer {
    let headers = vec![("x-echo".to_owned(), format!("Bearer {KEY}")), ("x-fine".to_owned(), "1".to_owned())];
    HttpAnswer { status: 401, headers, body: Bytes::from(body.to_owned()), kept: None, truncated }
}

fn redacted(body: &str, truncated: bool) -> (HttpAnswer, String) {
    let Exchanged::Answer(answer) = redaction().exchanged(Exchanged::Answer(answer(body, truncated))) else {
        panic!("an answer stays one");
    };
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    (answer, text)
}

#[test]
fn secrets_are_named_and_not_shown() {
    let headers = [("set-cookie", "s=1"), ("x-a", "1"), ("x-a", "2"), ("date", "now")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let text = redact_headers(&headers);
    assert_eq!(text, r#"{"set-cookie":"[redacted]","x-a":"1, 2","date":"now"}"#);
}

#[test]
fn a_repeated_key_is_taken_out_however_it_is_written() {
    let quoted = serde_json::to_string(KEY).unwrap();
    let percent: String = url::form_urlencoded::byte_serialize(KEY.as_bytes()).collect();
    let hex: String = KEY.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut written =
        vec![KEY.to_owned(), quoted.trim_matches('"').to_owned(), percent, hex.clone(), hex.to_uppercase()];
    for before in ["", "Bearer ", "key:", "user:", "ab", "abc"] {
        for behind in ["", "1", "12", "123"] {
            let text = format!("{before}{KEY}{behind}");
            written.push(BASE64_STANDARD_NO_PAD.encode(&text));
            written.push(BASE64_URL_SAFE_NO_PAD.encode(&text));
        }
    }
    for form in written {
        let (answer, body) = redacted(&format!("you sent {form}, and short"), false);
        assert!(body.contains("[redacted]") && body.ends_with(", and short"), "{form}: {body}");
        // What is left of it says nothing: the letters at its ends, which belong to its neighbours too.
        let left: String = body.split("[redacted]").collect();
        let middle = &form[form.len() / 3..form.len() / 3 + 6];
        assert!(!left.contains(middle), "{form}: {body}");
        assert_eq!(answer.headers[0].1, "Bearer [redacted]");
        assert_eq!(answer.headers[1].1, "1");
    }
}

#[test]
fn what_is_no_key_stays_as_it_is() {
    let body = "sk-Canary and sk-canary+4711 and short";
    assert_eq!(redacted(body, false).1, body);
    let none = Redaction::of(&Keys { api_key: Some("short".into()), admin_key: None, user_key: None });
    assert!(none.sought.is_none(), "a key of five letters is a word of many texts");
}

#[test]
fn a_key_that_was_cut_is_taken_out_too() {
    for length in SHORTEST_REST..KEY.len() {
        let body = format!("you sent {}", &KEY[..length]);
        assert_eq!(redacted(&body, true).1, "you sent ", "{length}");
        assert_eq!(redacted(&body, false).1, body, "a whole answer that ends so has no key");
    }
}

#[test]
fn the_words_about_a_lost_answer_have_no_key() {
    let lost = Exchanged::Lost {
        evidence: Evidence::Unknown,
        problem: Problem::new("connection_lost", format!("got {KEY}")),
        part: Some(answer(KEY, true)),
    };
    let Exchanged::Lost { problem, part, .. } = redaction().exchanged(lost) else { panic!("it stays lost") };
    assert_eq!(problem.reason, "got [redacted]");
    assert_eq!(&part.unwrap().body[..], REDACTED);
}

/// Gives so many bytes at a time.
struct Slowly<'a>(&'a [u8], usize);

impl Read for Slowly<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.1.min(self.0.len()).min(buffer.len());
        buffer[..length].copy_from_slice(&self.0[..length]);
        self.0 = &self.0[length..];
        Ok(length)
    }
}

#[test]
fn a_file_is_cleaned_wherever_its_pieces_end() {
    let file = format!("{KEY}a{}{KEY}{KEY}b{}{}", "x".repeat(100), &KEY[..10], KEY);
    let expected = format!("[redacted]a{}[redacted][redacted]b{}[redacted]", "x".repeat(100), &KEY[..10]);
    for piece in 1..file.len() {
        let mut read = String::new();
        redaction().reader(Slowly(file.as_bytes(), piece)).read_to_string(&mut read).unwrap();
        assert_eq!(read, expected, "in pieces of {piece}");
    }
}

#[test]
fn what_is_heard_while_it_comes_has_no_key_wherever_its_pieces_end() {
    let text = format!("{KEY}a{}{KEY}{KEY}b{}c{}", "x".repeat(40), &KEY[..10], KEY);
    let expected = format!("[redacted]a{}[redacted][redacted]b{}c[redacted]", "x".repeat(40), &KEY[..10]);
    for piece in 1..text.len() {
        let (mut heard, mut live) = (Vec::new(), redaction().live());
        for piece in text.as_bytes().chunks(piece) {
            live.hear(piece, &mut |piece| heard.extend_from_slice(piece));
        }
        live.end(&mut |piece| heard.extend_from_slice(piece));
        assert_eq!(String::from_utf8(heard).unwrap(), expected, "in pieces of {piece}");
    }
    let mut heard = Vec::new();
    let mut live = redaction().live();
    live.hear(b"nothing is kept back ", &mut |piece| heard.push(piece.to_vec()));
    live.hear(&KEY.as_bytes()[..10], &mut |piece| heard.push(piece.to_vec()));
    assert_eq!(heard.concat(), b"nothing is kept back ");
    live.end(&mut |piece| heard.push(piece.to_vec()));
    assert_eq!(heard.concat(), b"nothing is kept back ", "a cut key is none");
}
