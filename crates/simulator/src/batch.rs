//! Batch jobs: every request gets the answer of its own call; the results are to be had when the clock says so.

use crate::answer::Answer;
use crate::refusal::{Fault, Form, Refusal};
use crate::state::Files;
use bytes::Bytes;
use serde_json::{Map, Value, json};

/// Most requests of one job.
const MAX_REQUESTS: usize = 10_000;

/// When a job's first request runs, in milliseconds after its start.
const STARTS: u64 = 1_000;

/// When its last request has ended.
const ENDS: u64 = 3_000;

/// How long a wish to cancel takes.
const CANCELS: u64 = 1_000;

/// Runs all requests of a new job with `call`, and says what the job is from then on.
///
/// # Errors
/// A file that is not there, too many requests or none, or no room for the results.
pub(crate) fn run(
    payload: &Value,
    files: &Files,
    call: impl Fn(&Value) -> Answer,
) -> Result<Map<String, Value>, Refusal> {
    let requests = requests(payload, files)?;
    let (mut good, mut bad, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    for (place, request) in requests.iter().enumerate() {
        let answer = match request {
            Some(request) => call(&body_of(request, payload)),
            None => invalid("input_files", "the line is not JSON").answer(Form::Plain),
        };
        let told: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        let response = json!({"status_code": answer.status, "body": told});
        let failed = answer.status >= 400;
        let error = if failed { told } else { Value::Null };
        let custom_id = request.as_ref().map_or(&Value::Null, |request| &request["custom_id"]);
        let line = json!({"id": format!("batch-{place}"), "custom_id": custom_id,
            "response": response, "error": error});
        if failed {
            failures.push(Value::from(place));
            bad.push(line);
        } else {
            good.push(line);
        }
    }
    let unread = requests.iter().filter(|request| request.is_none()).count();
    let mut job = Map::new();
    job.insert("total_requests".to_owned(), requests.len().into());
    job.insert(FAILURES.to_owned(), failures.into());
    job.insert(UNREAD.to_owned(), unread.into());
    for (name, kind, lines) in [("output_file", "batch_result", good), ("error_file", "batch_error", bad)] {
        let id = if lines.is_empty() { Value::Null } else { files.keep(kind, text(&lines))?.into() };
        job.insert(name.to_owned(), id);
    }
    Ok(job)
}

/// The places of the requests that fail; no answer shows it.
const FAILURES: &str = "failures";

/// How many lines of the files are no JSON; no answer shows it.
const UNREAD: &str = "unread";

/// How long a job had been there when it was to be cancelled; no answer shows it.
const CANCELLED: &str = "cancelled";

/// Notes the wish that a job end, `age` milliseconds after its start, and says whether it counts: what has ended, or
/// is to end, stays as it is.
pub(crate) fn cancel(job: &mut Map<String, Value>, age: u64) -> bool {
    let counts = age < ENDS && !job.contains_key(CANCELLED);
    if counts {
        job.insert(CANCELLED.to_owned(), age.into());
    }
    counts
}

/// A job as it is `age` milliseconds after its start, or after the wish that it end.
pub(crate) fn at_age(job: &mut Map<String, Value>, age: u64) {
    let count = |name: &str| job.get(name).and_then(Value::as_u64);
    let (total, unread) = (count("total_requests").unwrap_or(0), count(UNREAD).unwrap_or(0));
    let cancelled = count(CANCELLED);
    let status = match (cancelled, age) {
        (Some(_), 0..CANCELS) => "CANCELLATION_REQUESTED",
        (Some(_), _) => "CANCELLED",
        (None, 0..STARTS) => "QUEUED",
        (None, STARTS..ENDS) => "RUNNING",
        (None, _) if unread == total => "FAILED",
        (None, _) => "SUCCESS",
    };
    let ran = cancelled.unwrap_or(age);
    let completed = total * (ran.clamp(STARTS, ENDS) - STARTS) / (ENDS - STARTS);
    let places = job.get(FAILURES).and_then(Value::as_array);
    let failed = places.map_or(0, |all| all.partition_point(|place| place.as_u64() < Some(completed))) as u64;
    let ended = matches!(status, "SUCCESS" | "FAILED");
    let errors =
        if ended && unread > 0 { json!([{"message": "the line is not JSON", "count": unread}]) } else { json!([]) };
    let moment = |is: bool| if is { crate::EPOCH.into() } else { Value::Null };
    let now = [
        ("status", status.into()),
        ("started_at", moment(ran >= STARTS)),
        ("completed_at", moment(ended)),
        ("completed_requests", completed.into()),
        ("succeeded_requests", (completed - failed).into()),
        ("failed_requests", failed.into()),
        ("errors", errors),
        ("outputs", Value::Null),
    ];
    job.extend(now.map(|(name, value)| (name.to_owned(), value)));
    if !ended {
        job.extend(["output_file", "error_file"].map(|name| (name.to_owned(), Value::Null)));
    }
}

/// The job with the lines of its files in its answer, in place of none, where it has ended.
pub(crate) fn with_outputs(answer: Answer, files: &Files) -> Answer {
    let Ok(mut job) = serde_json::from_slice::<Value>(&answer.body) else { return answer };
    let ids = ["output_file", "error_file"].map(|name| job[name].as_str().map(str::to_owned));
    let lines: Vec<Value> = ids
        .iter()
        .flatten()
        .filter_map(|id| files.bytes(id).ok())
        .flat_map(|bytes| lines(&bytes).filter_map(|line| serde_json::from_slice(line).ok()).collect::<Vec<_>>())
        .collect();
    if lines.is_empty() {
        return answer;
    }
    job["outputs"] = lines.into();
    Answer::json(answer.status, &job)
}

fn invalid(place: &str, message: &str) -> Refusal {
    Refusal::Invalid(vec![Fault::new("value_error", &["body", place], message)])
}

/// The body to judge: the job's model is that of all its requests that name none.
fn body_of(request: &Value, payload: &Value) -> Value {
    let mut body = request["body"].clone();
    if let (Some(members), Some(model)) = (body.as_object_mut(), payload["model"].as_str()) {
        members.entry("model").or_insert_with(|| model.into());
    }
    body
}

/// The requests in their order; a line that is not JSON is none, and fails alone.
fn requests(payload: &Value, files: &Files) -> Result<Vec<Option<Value>>, Refusal> {
    let mut requests: Vec<_> = payload["requests"].as_array().into_iter().flatten().cloned().map(Some).collect();
    for id in payload["input_files"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let content = files.bytes(id)?;
        let room = (MAX_REQUESTS + 1).saturating_sub(requests.len());
        requests.extend(lines(&content).take(room).map(|line| serde_json::from_slice(line).ok()));
    }
    match requests.len() {
        0 => Err(invalid("requests", "there are no requests")),
        count if count > MAX_REQUESTS => Err(invalid("requests", "there are too many requests")),
        _ => Ok(requests),
    }
}

fn lines(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    content.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty())
}

fn text(lines: &[Value]) -> Bytes {
    lines.iter().map(|line| format!("{line}\n")).collect::<String>().into()
}
