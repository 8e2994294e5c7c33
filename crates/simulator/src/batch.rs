//! Batch jobs: every request gets the answer of its own call; the results are to be had when the clock says so.

use crate::answer::Answer;
use crate::refusal::{Fault, Refusal};
use crate::state::Files;
use bytes::Bytes;
use serde_json::{Map, Value, json};

/// Most requests of one job.
const MAX_REQUESTS: usize = 10_000;

/// Runs all requests of a new job with `call`, and says what the job is from then on.
///
/// # Errors
/// A file that is not there, a line that is no request, too many requests or none, or no room for the results.
pub(crate) fn run(
    payload: &Value,
    files: &Files,
    call: impl Fn(&Value) -> Answer,
) -> Result<Map<String, Value>, Refusal> {
    let requests = requests(payload, files)?;
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for (place, request) in requests.iter().enumerate() {
        let mut body = request["body"].clone();
        if let (Some(members), Some(model)) = (body.as_object_mut(), payload["model"].as_str()) {
            members.entry("model").or_insert_with(|| model.into());
        }
        let answer = call(&body);
        let told: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        let response = json!({"status_code": answer.status, "body": told});
        let failed = answer.status >= 400;
        let error = if failed { told } else { Value::Null };
        let line = json!({"id": format!("batch-{place}"), "custom_id": request["custom_id"],
            "response": response, "error": error});
        if failed { bad.push(line) } else { good.push(line) }
    }
    let mut job = Map::new();
    job.insert("total_requests".to_owned(), requests.len().into());
    for (name, count) in [("succeeded", good.len()), ("failed", bad.len())] {
        job.insert(format!("{name}_requests"), count.into());
    }
    for (name, kind, lines) in [("output_file", "batch_result", good), ("error_file", "batch_error", bad)] {
        let id = if lines.is_empty() { Value::Null } else { files.keep(kind, text(&lines))?.into() };
        job.insert(name.to_owned(), id);
    }
    Ok(job)
}

/// A job with the lines of its results in it, where it has some.
pub(crate) fn inline(answer: Answer, files: &Files) -> Answer {
    let Ok(mut job) = serde_json::from_slice::<Value>(&answer.body) else { return answer };
    let file = job["output_file"].as_str().and_then(|id| files.bytes(id).ok());
    let Some(file) = file.filter(|_| answer.status == 200) else { return answer };
    let lines = file.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    job["outputs"] = lines.collect::<Vec<Value>>().into();
    Answer::json(answer.status, &job)
}

/// A job as it is `age` milliseconds after its start, or after the wish that it end.
pub(crate) fn at_age(job: &mut Map<String, Value>, age: u64) {
    let cancelled = job.get("cancelled") == Some(&Value::Bool(true));
    let status = match (cancelled, age) {
        (true, 0..1_000) => "CANCELLATION_REQUESTED",
        (true, _) => "CANCELLED",
        (false, 0..1_000) => "QUEUED",
        (false, 1_000..3_000) => "RUNNING",
        (false, _) => "SUCCESS",
    };
    job.insert("status".to_owned(), status.into());
    let started = status != "QUEUED";
    job.insert("started_at".to_owned(), if started { crate::EPOCH.into() } else { Value::Null });
    let done = status == "SUCCESS";
    if !done {
        for name in ["succeeded_requests", "failed_requests"] {
            job.insert(name.to_owned(), 0.into());
        }
        for name in ["output_file", "error_file"] {
            job.insert(name.to_owned(), Value::Null);
        }
    }
    let completed = if done { job.get("total_requests").cloned().unwrap_or_default() } else { 0.into() };
    job.insert("completed_requests".to_owned(), completed);
    job.insert("completed_at".to_owned(), if done { crate::EPOCH.into() } else { Value::Null });
    job.insert("outputs".to_owned(), Value::Null);
    job.insert("errors".to_owned(), json!([]));
}

fn requests(payload: &Value, files: &Files) -> Result<Vec<Value>, Refusal> {
    let invalid =
        |place: &str, message: &str| Refusal::Invalid(vec![Fault::new("value_error", &["body", place], message)]);
    let mut requests = payload["requests"].as_array().cloned().unwrap_or_default();
    for id in payload["input_files"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        for line in files.bytes(id)?.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
            let request = serde_json::from_slice(line);
            requests.push(request.map_err(|_| invalid("input_files", "a line of the file is not JSON"))?);
            if requests.len() > MAX_REQUESTS {
                break;
            }
        }
    }
    match requests.len() {
        0 => Err(invalid("requests", "there are no requests")),
        count if count > MAX_REQUESTS => Err(invalid("requests", "there are too many requests")),
        _ => Ok(requests),
    }
}

fn text(lines: &[Value]) -> Bytes {
    lines.iter().map(|line| format!("{line}\n")).collect::<String>().into()
}
