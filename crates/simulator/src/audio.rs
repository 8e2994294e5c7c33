//! Speech and transcription: sound as long as its text, and text as long as its sound.

use crate::answer::Answer;
use crate::judge::Judged;
use crate::refusal::Refusal;
use crate::state::Files;
use crate::{fingerprint, streams, words};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Samples a second of the speech, one byte each.
const RATE: usize = 8_000;

/// Samples for one character: 50 ms.
const OF_ONE: usize = RATE / 20;

/// Characters that are spoken at most.
const MAX_CHARACTERS: usize = 5_000;

/// How much of a speech one event carries: whole groups of three bytes, so that the pieces join in base64 too.
const PIECE: usize = 12_000;

/// Bytes of a second of sound of which nothing is known.
const BYTES_A_SECOND: usize = 4_000;

/// Speaks a text: a tone for each letter, silence for each space. `pcm` is the bare samples; every other form is WAV,
/// whatever was asked for.
pub(crate) fn speech(payload: &Value) -> Answer {
    let text: String = payload["input"].as_str().unwrap_or_default().chars().take(MAX_CHARACTERS).collect();
    let samples: Vec<u8> = text.chars().flat_map(tone).collect();
    let sound = if payload["response_format"] == "pcm" { samples } else { wav(&samples) };
    if payload["stream"] != true {
        return Answer::json(200, &json!({ "audio_data": STANDARD.encode(sound) }));
    }
    let delta = |piece: &[u8]| json!({ "type": "speech.audio.delta", "audio_data": STANDARD.encode(piece) });
    let mut events: Vec<Value> = sound.chunks(PIECE).map(delta).collect();
    let usage = streams::usage(words::count(&text), sound.len() as u64 / 1_000);
    events.push(json!({ "type": "speech.audio.done", "usage": usage }));
    streams::told(events)
}

/// A square wave whose height depends on the letter.
fn tone(letter: char) -> impl Iterator<Item = u8> {
    let half = 8 + (u32::from(letter) % 40) as usize;
    let silent = letter.is_whitespace();
    (0..OF_ONE).map(move |at| match (silent, at / half % 2) {
        (true, _) => 128,
        (false, 0) => 150,
        (false, _) => 106,
    })
}

/// A WAV file: 8 bits, one channel.
fn wav(samples: &[u8]) -> Vec<u8> {
    let length = u32::try_from(samples.len()).unwrap_or(u32::MAX - 36);
    let mut file = Vec::with_capacity(samples.len() + 44);
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(length + 36).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend_from_slice(&(RATE as u32).to_le_bytes());
    file.extend_from_slice(&(RATE as u32).to_le_bytes());
    file.extend_from_slice(b"\x01\0\x08\0data");
    file.extend_from_slice(&length.to_le_bytes());
    file.extend_from_slice(samples);
    file
}

/// How long a sound is, in begun seconds: by its header and its samples where it is WAV, else by its size.
fn seconds(sound: &[u8]) -> u64 {
    let (samples, rate) = wav_samples(sound).unwrap_or((sound.len(), BYTES_A_SECOND));
    samples.div_ceil(rate.max(1)).max(1) as u64
}

/// How many bytes of samples a WAV file has, and how many make a second.
fn wav_samples(sound: &[u8]) -> Option<(usize, usize)> {
    let number = |at: usize| Some(u32::from_le_bytes(sound.get(at..at + 4)?.try_into().ok()?) as usize);
    if !sound.starts_with(b"RIFF") || sound.get(8..12)? != b"WAVE" {
        return None;
    }
    let data = memchr::memmem::find(sound, b"data")?;
    let there = sound.len().checked_sub(data + 8)?;
    Some((number(data + 4)?.min(there), number(28)?))
}

/// Writes down what is heard: a sentence for about every four seconds.
pub(crate) fn transcription(files: &Files, request: &Judged<'_>) -> Result<Answer, Refusal> {
    let payload = request.payload();
    let (seed, seconds) = match (request.file("file"), payload["file_id"].as_str(), payload["file_url"].as_str()) {
        (Some(part), ..) => (fingerprint::bytes_of(&part.content), seconds(&part.content)),
        (None, Some(id), _) => {
            let sound = files.bytes(id)?;
            (fingerprint::bytes_of(&sound), seconds(&sound))
        }
        (None, None, Some(url)) => (fingerprint::text_of(url), 10),
        // The document lets all three be left out.
        (None, None, None) => (0, 1),
    };
    let sentences: Vec<String> =
        (0..(seconds / 4).clamp(1, 200)).map(|n| words::prose(seed.wrapping_add(n), 1)).collect();
    let text = sentences.join(" ");
    let language = payload["language"].as_str().unwrap_or("en");
    let mut usage = streams::usage(seconds * 12, words::count(&text));
    usage["prompt_audio_seconds"] = seconds.into();
    let timed = payload["timestamp_granularities"].as_array().is_some_and(|asked| !asked.is_empty());
    let step = seconds as f64 / sentences.len() as f64;
    let segments = |kind: &str| -> Vec<Value> {
        let speaker = (payload["diarize"] == true).then_some("speaker_1");
        let one = |(n, text): (usize, &String)| json!({"type": kind, "text": text, "start": n as f64 * step, "end": (n + 1) as f64 * step, "speaker_id": speaker});
        sentences.iter().enumerate().filter(|_| timed).map(one).collect()
    };
    let body = json!({"model": payload["model"], "text": text, "language": language,
        "segments": segments("transcription_segment"), "usage": usage});
    if payload["stream"] != true {
        return Ok(Answer::json(200, &body));
    }
    let mut events = vec![json!({ "type": "transcription.language", "audio_language": language })];
    events.extend(words::tokens(&text).map(|token| json!({ "type": "transcription.text.delta", "text": token })));
    events.extend(segments("transcription.segment"));
    let mut done = body;
    done["type"] = "transcription.done".into();
    events.push(done);
    Ok(streams::told(events))
}
