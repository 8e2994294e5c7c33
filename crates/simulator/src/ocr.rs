//! OCR: pages and texts that depend on the document.

use crate::answer::Answer;
use crate::judge::Judged;
use crate::refusal::Refusal;
use crate::state::Files;
use crate::{fingerprint, wished, words};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// More pages than the service reads of one document.
const MAX_PAGES: usize = 1_000;

/// A document as far as it is known here: nothing is fetched from an address.
struct Document {
    content: Option<Bytes>,
    is_image: bool,
    seed: u64,
}

/// Answers a valid request. A document that is a text says its own words, a page to each form feed; a PDF has as many
/// pages as page objects, and the words that stand in it uncompressed; of anything else the words are made up.
pub(crate) fn answer(files: &Files, request: &Judged<'_>) -> Result<Answer, Refusal> {
    let payload = request.payload();
    let document = Document::of(files, &payload["document"])?;
    let texts = document.texts();
    let wanted = wanted(&payload["pages"]);
    let image = payload["include_image_base64"] == true && document.is_image;
    let pages: Vec<Value> = texts
        .iter()
        .enumerate()
        .filter(|(index, _)| wanted.as_ref().is_none_or(|wanted| wanted.contains(index)))
        .map(|(index, text)| page(index, text, document.content.as_ref().filter(|_| image)))
        .collect();
    let annotation = payload.get("document_annotation_format").filter(|format| format.is_object());
    let annotation = annotation.map(|format| {
        let said = wished::json(&json!({ "response_format": format }), document.seed);
        said.unwrap_or_else(|| words::prose(document.seed, 1))
    });
    let size = document.content.as_ref().map(Bytes::len);
    let body = json!({
        "pages": pages, "model": payload["model"].as_str().unwrap_or("mistral-ocr-latest"),
        "document_annotation": annotation,
        "usage_info": {"pages_processed": pages.len(), "doc_size_bytes": size},
    });
    Ok(Answer::json(200, &body))
}

fn page(index: usize, text: &str, image: Option<&Bytes>) -> Value {
    let images: Vec<Value> = image.iter().map(|content| {
        json!({"id": "img-0.jpeg", "top_left_x": 10, "top_left_y": 10, "bottom_right_x": 1690, "bottom_right_y": 2190,
            "image_base64": format!("data:image/jpeg;base64,{}", STANDARD.encode(content))})
    }).collect();
    let mark = if images.is_empty() { "" } else { "\n\n![img-0.jpeg](img-0.jpeg)" };
    json!({
        "index": index, "markdown": format!("{text}{mark}"), "images": images, "tables": [], "hyperlinks": [],
        "header": null, "footer": null, "dimensions": {"dpi": 200, "height": 2200, "width": 1700},
    })
}

impl Document {
    fn of(files: &Files, document: &Value) -> Result<Self, Refusal> {
        if let Some(id) = document["file_id"].as_str() {
            let content = files.bytes(id)?;
            return Ok(Self { seed: fingerprint::bytes_of(&content), is_image: false, content: Some(content) });
        }
        let image = &document["image_url"];
        let address = image.as_str().or_else(|| image["url"].as_str()).or_else(|| document["document_url"].as_str());
        let address = address.unwrap_or_default();
        let inline = address.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"));
        let content = inline.and_then(|(_, text)| STANDARD.decode(text).ok()).map(Bytes::from);
        let seed = content.as_ref().map_or_else(|| fingerprint::text_of(address), |bytes| fingerprint::bytes_of(bytes));
        Ok(Self { content, is_image: !image.is_null(), seed })
    }

    /// The text of every page.
    fn texts(&self) -> Vec<String> {
        let made_up = |page: usize| words::prose(self.seed.wrapping_add(page as u64), 4);
        let Some(content) = self.content.as_ref().filter(|_| !self.is_image) else { return vec![made_up(0)] };
        if content.starts_with(b"%PDF") {
            let said = texts_in_pdf(content);
            let pages = page_objects(content).clamp(1, MAX_PAGES);
            return (0..pages).map(|page| said.get(page).cloned().unwrap_or_else(|| made_up(page))).collect();
        }
        match std::str::from_utf8(content) {
            Ok(text) => text.split('\u{c}').take(MAX_PAGES).map(|page| page.trim().to_owned()).collect(),
            Err(_) => vec![made_up(0)],
        }
    }
}

/// How many page objects an uncompressed PDF has.
fn page_objects(content: &[u8]) -> usize {
    let found = memchr::memmem::find_iter(content, b"/Type").filter(|at| {
        let rest = content[at + 5..].trim_ascii_start();
        // `/Pages` is the tree above them.
        rest.strip_prefix(b"/Page").is_some_and(|after| !after.first().is_some_and(u8::is_ascii_alphanumeric))
    });
    found.count()
}

/// The texts between the operators `BT` and `ET` of an uncompressed PDF, one for each.
fn texts_in_pdf(content: &[u8]) -> Vec<String> {
    let mut ends = operators(content, b"ET").peekable();
    let mut texts = Vec::new();
    for begin in operators(content, b"BT") {
        while ends.next_if(|end| *end < begin).is_some() {}
        let end = ends.peek().copied().unwrap_or(content.len());
        let block = String::from_utf8_lossy(&content[begin..end]).into_owned();
        let strings = block.split('(').skip(1).filter_map(|piece| piece.split_once(')')).map(|(text, _)| text);
        let text = strings.collect::<Vec<_>>().join(" ");
        if !text.is_empty() {
            texts.push(text);
        }
    }
    texts
}

/// Where an operator stands as a word of its own, in order.
fn operators<'c>(content: &'c [u8], name: &'c [u8]) -> impl Iterator<Item = usize> + 'c {
    let is_space = |at: Option<usize>| at.and_then(|at| content.get(at)).is_none_or(u8::is_ascii_whitespace);
    memchr::memmem::find_iter(content, name)
        .filter(move |at| is_space(at.checked_sub(1)) && is_space(Some(at + name.len())))
}

/// The pages that are asked for, as a list or as `0-2,5`; `None`: all.
fn wanted(pages: &Value) -> Option<BTreeSet<usize>> {
    let number = |value: &Value| value.as_u64().and_then(|number| usize::try_from(number).ok());
    match pages {
        Value::Array(list) => Some(list.iter().filter_map(number).collect()),
        Value::String(text) if !text.trim().is_empty() => {
            let ranges = text.split(',').filter_map(|range| {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                let first: usize = first.trim().parse().ok()?;
                let last = last.trim().parse().unwrap_or(MAX_PAGES);
                Some(first..=last.min(MAX_PAGES))
            });
            Some(ranges.flatten().collect())
        }
        _ => None,
    }
}
