//! A plain POST to an address that a setting names: under the same rules as calls, and no part of any task.

use super::client::{base_url, innermost, plain};
use model::Problem;
use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};

/// One address that is posted to.
#[derive(Debug)]
pub struct Post {
    http: reqwest::Client,
    url: Url,
}

impl Post {
    /// Nothing is sent yet.
    ///
    /// # Errors
    /// `base_uri_wrong`, `client_broken`.
    pub fn to(url: &str) -> Result<Self, Problem> {
        Ok(Self { http: plain()?, url: base_url(url)? })
    }

    /// Sends it once; returns the status. The answer is not read.
    ///
    /// # Errors
    /// Why no answer came.
    pub async fn send(&self, media: &'static str, headers: &[(String, String)], body: Vec<u8>) -> Result<u16, String> {
        let mut request = reqwest::Request::new(reqwest::Method::POST, self.url.clone());
        let own = request.headers_mut();
        for (name, value) in headers {
            let (Ok(name), Ok(mut value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) else {
                return Err("a header that cannot be sent".to_owned());
            };
            // They carry keys.
            value.set_sensitive(true);
            own.insert(name, value);
        }
        own.insert(reqwest::header::CONTENT_TYPE, HeaderValue::from_static(media));
        *request.body_mut() = Some(body.into());
        let answer = self.http.execute(request).await.map_err(|error| innermost(&error))?;
        Ok(answer.status().as_u16())
    }
}
