//! Traces as a collector gets them: `cargo nextest run -p app --features crash-points,otel --test otel`.
#![cfg(feature = "otel")]
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails; tests start processes"
)]

mod world;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use world::serving::Serving;
use world::{Simulator, World};

const FLOW: &str = r#"
http_clients:
  mistral: { prototype: mistral, base_uri: "${MISTRAL_BASE_URI}", api_key: "${secret:MISTRAL_API_KEY}", allow_private_addresses: true }
incoming:
  rows: { subscriber: { type: inline, payloads: [{ q: SESAME }, { q: SESAME }] } }
outgoing:
  ask:
    transformers:
      - { type: jq, filter: '{payload: {model: "mistral-small-latest", messages: [{role: "user", content: .q}]}}' }
    publisher: { type: mistral, http_client: mistral, method: POST, entity: Chat Completion }
routes:
  chat: { incoming: rows, outgoing: ask }
"#;

/// A collector: heads and bodies of what comes.
fn collector() -> (String, Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (send, requests) = channel();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let mut reader = BufReader::new(socket.try_clone().unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).is_ok_and(|read| read > 0) {}
            let head = head.to_lowercase();
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse().ok());
            let mut body = vec![0; length.unwrap_or(0)];
            reader.read_exact(&mut body).unwrap();
            let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            if send.send((head, body)).is_err() {
                return;
            }
        }
    });
    (url, requests)
}

#[test]
fn a_task_is_a_trace_with_a_span_for_each_call() {
    let world = World::new();
    let (url, requests) = collector();
    world.write("flow.yaml", FLOW);
    let simulator = Simulator::start(&world, &[]);
    world.run_at(&simulator.url, &["apply", "flow.yaml"]).expect(0);
    let mut command = world.command(&[]);
    command.env("MISTRAL_BASE_URI", &simulator.url);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &url).env("OTEL_EXPORTER_OTLP_HEADERS", "x-key=opensesame");
    let serving = Serving::start(&mut command);
    world.run_at(&simulator.url, &["run", "rows"]).expect(0);
    let mut spans: Vec<Span> = Vec::new();
    while spans.len() < 4 {
        let (head, body) = requests.recv_timeout(std::time::Duration::from_secs(60)).unwrap();
        assert!(head.starts_with("post /v1/traces ") && head.contains("application/x-protobuf"), "{head}");
        assert!(head.contains("x-key: opensesame"), "{head}");
        assert!(!String::from_utf8_lossy(&body).contains("SESAME"), "data is not in it");
        let request = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
        let of_resource = request.resource_spans.into_iter().next().unwrap();
        assert_eq!(of_resource.resource.unwrap().attributes[0].key, "service.name");
        spans.extend(of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
    }
    let roots: Vec<&Span> = spans.iter().filter(|span| span.parent_span_id.is_empty()).collect();
    assert_eq!(roots.len(), 2);
    for root in roots {
        assert_eq!((root.trace_id.len(), root.span_id.len(), root.name.as_str()), (16, 8, "route chat"));
        let calls: Vec<&Span> = spans.iter().filter(|span| span.parent_span_id == root.span_id).collect();
        assert_eq!(calls.len(), 1);
        assert_eq!((&calls[0].trace_id, calls[0].name.as_str()), (&root.trace_id, "POST /v1/chat/completions"));
        assert!(root.start_time_unix_nano <= calls[0].start_time_unix_nano);
        assert!(calls[0].start_time_unix_nano <= calls[0].end_time_unix_nano);
    }
    serving.stop();
}
