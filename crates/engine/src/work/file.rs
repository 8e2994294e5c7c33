//! Answers that are files: what names them in payloads, and their lines.

use model::driver::Kept;
use model::http::FileAnswer;
use model::{HttpAnswer, Problem, Reading};
use serde_json::{Value, json};

/// Where the answer is a file that was kept: puts what stands for it in its place.
pub(super) fn name_file(answer: &HttpAnswer, reading: &mut Reading) {
    if let (Some(file), Some(kept)) = (reading.file.take(), &answer.kept) {
        reading.answer = stand_in(kept, &file);
        reading.folded = true;
    }
}

/// Where the answer is a file of JSON lines: reads it into a list.
pub(super) fn read_lines(answer: &HttpAnswer, reading: &mut Reading) {
    if reading.file.take().is_none() {
        return;
    }
    reading.folded = true;
    let body = answer.body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&answer.body);
    let lines = body.split(|byte| *byte == b'\n').enumerate();
    let lines = lines.filter(|(_, line)| !line.iter().all(u8::is_ascii_whitespace));
    let read: Result<Vec<Value>, Problem> = lines
        .map(|(index, line)| {
            let wrong = |error| Problem::new("bad_answer", format!("line {} is no JSON: {error}", index + 1));
            serde_json::from_slice(line).map_err(wrong)
        })
        .collect();
    match read {
        Ok(lines) => reading.answer = Value::Array(lines),
        Err(problem) => {
            reading.answer = Value::String(String::from_utf8_lossy(body).into_owned());
            reading.problem = Some(problem.hint("leave answer_as out to keep the answer as a file"));
        }
    }
}

fn stand_in(kept: &Kept, file: &FileAnswer) -> Value {
    let Kept { id, size, sha256 } = kept;
    let mut value = json!({ "$blob": id, "size": size, "media_type": file.media_type, "sha256": sha256 });
    if let Some(name) = &file.filename {
        value["filename"] = name.as_str().into();
    }
    value
}
