//! Traces for a collector of OpenTelemetry, by OTLP over HTTP: a trace for each task, a span for the task and one for each
//! attempt that made a call. Built with the feature `otel`, and at work where `OTEL_EXPORTER_OTLP_ENDPOINT` is set.
//!
//! The numbers of traces and spans follow from the task, so what several machines or several lives of one do for a task
//! is one trace. No data is in it, and no reason of a failure.

use crate::settings::environment;
use engine::Standing;
use engine::exchange::Post;
use engine::spans::Attempted;
use model::{Evidence, Millis, Problem, TaskState};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc::Receiver;

/// Attempts that wait to be sent; others are lost.
const WAITING: usize = 4_096;
/// Attempts that are sent together.
const TOGETHER: usize = 512;

/// Begins to send, where a collector is named; returns what does it.
///
/// # Errors
/// What is wrong with the collector's address.
pub(crate) fn begin(standing: &Standing, store: &str) -> Result<Option<impl Future<Output = ()> + use<>>, Problem> {
    let Some(endpoint) = environment("OTEL_EXPORTER_OTLP_ENDPOINT") else { return Ok(None) };
    let url = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
    let post = Post::to(&url)?;
    let headers = headers(&environment("OTEL_EXPORTER_OTLP_HEADERS").unwrap_or_default());
    let service = environment("OTEL_SERVICE_NAME").unwrap_or_else(|| "tramontane".to_owned());
    let attempts = standing.spans().listen(WAITING);
    let store = store.to_owned();
    Ok(attempts.map(|attempts| async move { send_all(attempts, &post, &headers, &service, &store).await }))
}

/// Headers as the environment names them: `name=value,name=value`.
fn headers(text: &str) -> Vec<(String, String)> {
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.trim().to_lowercase(), value.trim().to_owned())).collect()
}

async fn send_all(
    mut attempts: Receiver<Attempted>,
    post: &Post,
    headers: &[(String, String)],
    service: &str,
    store: &str,
) {
    let mut has_failed = false;
    loop {
        let mut batch = Vec::with_capacity(TOGETHER);
        if attempts.recv_many(&mut batch, TOGETHER).await == 0 {
            return;
        }
        let spans = batch.iter().flat_map(|attempted| spans(attempted, store)).collect();
        let body = request(service, spans).encode_to_vec();
        let sent = post.send("application/x-protobuf", headers, body).await;
        let failure = match sent {
            Ok(200..300) => None,
            Ok(status) => Some(format!("status {status}")),
            Err(reason) => Some(reason),
        };
        // Said once, not for each batch.
        match failure {
            Some(reason) if !has_failed => tracing::warn!(reason, "the collector of traces does not take them"),
            None if has_failed => tracing::info!("the collector of traces takes them again"),
            _ => {}
        }
        has_failed = failure.is_some();
    }
}

fn request(service: &str, spans: Vec<Span>) -> ExportTraceServiceRequest {
    let scope = InstrumentationScope {
        name: "tramontane".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    let resource = Resource { attributes: vec![text("service.name", service)], ..Resource::default() };
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, schema_url: String::new() }];
    let of_resource = ResourceSpans { resource: Some(resource), scope_spans, schema_url: String::new() };
    ExportTraceServiceRequest { resource_spans: vec![of_resource] }
}

/// The span of an attempt, and that of its task, where the task has ended with it.
fn spans(attempted: &Attempted, store: &str) -> Vec<Span> {
    let task = format!("{store}-{}", attempted.task);
    let (trace_id, root) = (digest(&task, 16), digest(&format!("{task} root"), 8));
    let mut about = vec![
        whole("tramontane.task", attempted.task.0),
        whole("tramontane.run", attempted.run.0),
        text(&format!("tramontane.{}", attempted.kind), &attempted.name),
    ];
    let ended = attempted.state.map(|state| Span {
        trace_id: trace_id.clone(),
        span_id: root.clone(),
        name: format!("{} {}", attempted.kind, attempted.name),
        kind: SpanKind::Internal.into(),
        start_time_unix_nano: nanos(attempted.created_at),
        end_time_unix_nano: nanos(attempted.times.1),
        attributes: [about.clone(), vec![text("tramontane.state", state.as_str())]].concat(),
        status: Some(status(state == TaskState::Finished || state == TaskState::Skipped, attempted)),
        ..Span::default()
    });
    about.extend([
        text("tramontane.client", &attempted.client),
        text("tramontane.evidence", attempted.evidence.as_str()),
        whole("tramontane.attempt", attempted.attempt.into()),
    ]);
    about.extend(attempted.status.map(|status| whole("http.response.status_code", status.into())));
    let call = Span {
        trace_id,
        span_id: digest(&format!("{task} {}", attempted.attempt), 8),
        parent_span_id: root,
        name: attempted.operation.clone(),
        kind: SpanKind::Client.into(),
        start_time_unix_nano: nanos(attempted.times.0),
        end_time_unix_nano: nanos(attempted.times.1),
        attributes: about,
        status: Some(status(attempted.evidence == Evidence::Answered && attempted.code.is_none(), attempted)),
        ..Span::default()
    };
    std::iter::once(call).chain(ended).collect()
}

fn status(is_good: bool, attempted: &Attempted) -> Status {
    let code = if is_good { StatusCode::Unset } else { StatusCode::Error };
    let message = if is_good { String::new() } else { attempted.code.clone().unwrap_or_default() };
    Status { message, code: code.into() }
}

fn digest(text: &str, length: usize) -> Vec<u8> {
    Sha256::digest(text.as_bytes()).into_iter().take(length).collect()
}

fn nanos(at: Millis) -> u64 {
    u64::try_from(at).unwrap_or(0).saturating_mul(1_000_000)
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

fn whole(key: &str, value: i64) -> KeyValue {
    attribute(key, Value::IntValue(value))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}
