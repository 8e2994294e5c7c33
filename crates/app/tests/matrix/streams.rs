//! Streams of events, and where they may break. Each of the two forms is asked for by one operation.

use crate::faults::{Fault, GOOD, whole};
use crate::service::Act;

/// A whole stream: its events, the last of which is its end mark, and the event of an error.
struct Form {
    name: &'static str,
    events: Vec<String>,
    error: &'static str,
}

const HEAD: &str = "HTTP/1.1 200 Fine\r\ncontent-type: text/event-stream\r\n";

/// Every fault of a stream.
pub(crate) fn faults() -> Vec<Fault> {
    forms().iter().flat_map(faults_of).map(|fault| Fault { stream: true, ..fault }).collect()
}

fn forms() -> [Form; 2] {
    let chunk = |text: &str, finish: &str| {
        format!(
            "data: {{\"id\":\"c\",\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":{finish}}}]}}\n\n"
        )
    };
    let event = |name: &str, rest: &str| format!("event: {name}\ndata: {{\"type\":\"{name}\"{rest}}}\n\n");
    let delta = |text: &str| {
        event(
            "message.output.delta",
            &format!(
                ",\"output_index\":0,\"id\":\"y\",\"content_index\":0,\"role\":\"assistant\",\"content\":\"{text}\""
            ),
        )
    };
    [
        Form {
            name: "chat stream",
            events: vec![chunk("Hé", "null"), chunk("lo", "\"stop\""), "data: [DONE]\n\n".to_owned()],
            error: "data: {\"object\":\"error\",\"message\":\"overloaded\",\"code\":\"3505\"}\n\n",
        },
        Form {
            name: "conversation stream",
            events: vec![
                event("conversation.response.started", ",\"conversation_id\":\"conv\"") + &delta("Hé"),
                delta("lo"),
                event("conversation.response.done", ",\"usage\":{\"total_tokens\":9}"),
            ],
            error: "event: conversation.response.error\ndata: {\"type\":\"conversation.response.error\",\"message\":\"broke\",\"code\":500}\n\n",
        },
    ]
}

/// The pieces of a body in chunks, with the last chunk or without it.
fn chunked<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, ends: bool) -> Vec<u8> {
    let mut bytes = format!("{HEAD}transfer-encoding: chunked\r\nconnection: close\r\n\r\n").into_bytes();
    for piece in pieces {
        bytes.extend(format!("{:x}\r\n", piece.len()).bytes());
        bytes.extend(piece);
        bytes.extend(b"\r\n");
    }
    if ends {
        bytes.extend(b"0\r\n\r\n");
    }
    bytes
}

fn faults_of(form: &Form) -> Vec<Fault> {
    let name = |fault: &str| format!("{}: {fault}", form.name);
    let (all, begun, text) = (form.events.concat(), &form.events[0], form.events[..2].concat());
    let one = |text: &str, ends| chunked([text.as_bytes()], ends);
    let send = |fault: &str, bytes: Vec<u8>| Fault::send(name(fault), bytes);
    let hold = |fault: &str, bytes| Fault::new(name(fault), Act::SendAndHold(bytes)).with("timeouts: { idle: 1s }");
    let unsized_body = |text: &str| format!("{HEAD}connection: close\r\n\r\n{text}").into_bytes();
    let commented = all.replace("\n\n", "\n\n: still here\n\n");
    vec![
        send("whole", one(&all, true)),
        send("whole, lines by CR LF", one(&all.replace('\n', "\r\n"), true)),
        send("whole, lines by CR", one(&all.replace('\n', "\r"), true)),
        send("whole, byte by byte", chunked(all.as_bytes().chunks(1), true)),
        send("whole, with comments", one(&commented, true)),
        send("whole, without a length", unsized_body(&all)),
        send("JSON in its place", whole(200, "", GOOD)),
        send("a web page in its place", whole(200, "", "<html></html>")),
        send("cut in its first event", one(&begun[..20], false)),
        send("cut between events", one(begun, false)),
        send("cut after its text", one(&text, false)),
        send("cut in its end mark", one(all.trim_end_matches(['\n', ']', '}']), false)),
        send("cut after its end mark", one(&all, false)),
        Fault::new(name("reset after its end mark"), Act::SendAndReset(one(&all, false))),
        hold("stalls in its text", one(begun, false)),
        hold("stalls after its end mark", one(&all, false)),
        send("ends in its first event", one(&begun[..20], true)),
        send("ends without its end mark", one(&text, true)),
        send("ends without a length or its end mark", unsized_body(&text)),
        send("ends with nothing", chunked([], true)),
        send("ends after rubbish", one("hello\n\ndata: {\n\n", true)),
        send("an error at once", one(form.error, true)),
        send("an error in its text", one(&format!("{begun}{}", form.error), true)),
        send("an error in its text, then a cut", one(&format!("{begun}{}", form.error), false)),
    ]
}
