//! Bodies of requests, read up to a bound.

use axum::body::Body;
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, StatusCode};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use model::Problem;

/// Reads a body of at most so many bytes; nothing is read of one that says that it is longer.
pub(super) async fn read(most: u64, headers: &HeaderMap, mut body: Body) -> Result<Bytes, (StatusCode, Problem)> {
    let too_large = || {
        let reason = format!("the body is larger than {most} bytes");
        (StatusCode::PAYLOAD_TOO_LARGE, Problem::new("body_too_large", reason))
    };
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > most) {
        return Err(too_large());
    }
    let mut held = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let cut = |_| (StatusCode::BAD_REQUEST, Problem::new("body_cut", "the body was cut short"));
        if let Ok(data) = frame.map_err(cut)?.into_data() {
            if (held.len() + data.len()) as u64 > most {
                return Err(too_large());
            }
            held.extend_from_slice(&data);
        }
    }
    Ok(held.freeze())
}
