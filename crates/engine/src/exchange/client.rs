//! One remote system: its connections, credentials, time-outs and permits.

use super::address::{Lookup, PrivateAddress, PublicOnly, System, is_private_host};
use super::body::{Added, Body, Held, Keeping};
use super::form::{self, FileShrank, Files, Written};
use super::gate::Gate;
use super::live::Page;
use super::redact::Redaction;
use crate::crash;
use bytes::Bytes;
use model::definition::{HttpClient, KeyStyle, KeyStyles};
use model::http::Preflight;
use model::{Credential, Evidence, HttpAnswer, HttpRequest, Millis, Operation, Problem};
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING,
};
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::time::Duration;
use store::StoreError;
use tokio::time::Instant;
use url::Url;

/// Idle connections are closed after this time: a server that closes them first makes outcomes unclear.
const POOL_IDLE: Duration = Duration::from_secs(20);
const POOL_PER_HOST: usize = 256;
/// How long an address that a setting names may take.
const PLAIN: Duration = Duration::from_secs(10);

/// The keys of an HTTP client, resolved.
#[derive(Debug, Default)]
pub struct Keys {
    /// For most operations.
    pub api_key: Option<SecretString>,
    /// For operations of the organisation's administration.
    pub admin_key: Option<SecretString>,
    /// For operations of a signed-in user.
    pub user_key: Option<SecretString>,
}

impl Keys {
    fn of(&self, credential: Credential) -> Option<&SecretString> {
        match credential {
            Credential::ApiKey => self.api_key.as_ref(),
            Credential::AdminKey => self.admin_key.as_ref(),
            Credential::UserKey => self.user_key.as_ref(),
        }
    }
}

/// How an exchange ended.
#[derive(Debug)]
pub enum Exchanged {
    /// A complete answer (or its beginning, where it passed the cap).
    Answer(HttpAnswer),
    /// No complete answer.
    Lost {
        /// `not_sent` or `unknown`.
        evidence: Evidence,
        /// Why.
        problem: Problem,
        /// What came of the answer before it was cut, where at least its head came.
        part: Option<HttpAnswer>,
    },
    /// The answer is a file, and the disk that it was to be kept on failed.
    Unkept {
        /// Why.
        error: StoreError,
        /// The answer without its body.
        head: HttpAnswer,
    },
}

impl Exchanged {
    /// As it was, but an answer that was cut behind its own end mark is whole: nothing of it is missing.
    #[must_use]
    pub fn ended_by(self, operation: &dyn Operation) -> Self {
        match self {
            Self::Lost { part: Some(part), .. } if operation.is_whole(&part) => {
                Self::Answer(HttpAnswer { truncated: false, ..part })
            }
            other => other,
        }
    }
}

/// A remote system, ready to be asked.
pub struct Client {
    name: String,
    base: String,
    host: String,
    http: reqwest::Client,
    redaction: Redaction,
    keys: Keys,
    key_styles: KeyStyles,
    first_byte: Duration,
    total: Duration,
    idle: Duration,
    max_answer: u64,
    max_file: u64,
    request_id_header: Option<HeaderName>,
    gate: Arc<Gate>,
    parallel: u32,
    preflight: Preflight,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("name", &self.name).field("base", &self.base).finish_non_exhaustive()
    }
}

impl Client {
    /// Makes a client of a definition whose base URI and keys are resolved. Touches no network.
    ///
    /// # Errors
    /// A base URI that is none, or that leads to a private address without `allow_private_addresses`.
    pub fn new(
        name: &str,
        definition: &HttpClient,
        base_uri: &str,
        keys: Keys,
        gate: Arc<Gate>,
    ) -> Result<Self, Problem> {
        gate.set(definition.limits);
        let (url, request_id_header) = judge(definition, base_uri)?;
        Ok(Self {
            name: name.to_owned(),
            base: url.as_str().trim_end_matches('/').to_owned(),
            host: url.host_str().unwrap_or_default().to_owned(),
            http: build(definition, System)?,
            redaction: Redaction::of(&keys),
            keys,
            key_styles: definition.key_styles,
            first_byte: span(definition.timeouts.first_byte.0),
            total: span(definition.timeouts.total.0),
            idle: span(definition.timeouts.idle.0),
            max_answer: definition.max_answer_bytes,
            max_file: definition.max_file_bytes,
            request_id_header,
            gate,
            parallel: definition.limits.parallel,
            preflight: definition.preflight,
        })
    }

    /// Its name in the definitions.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is, without a slash at the end.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Who may send, and when; shared by all routes.
    #[must_use]
    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// How many calls may be under way.
    #[must_use]
    pub fn parallel(&self) -> u32 {
        self.parallel
    }

    /// What happens to a request that does not fit the operation's schema.
    #[must_use]
    pub fn preflight(&self) -> Preflight {
        self.preflight
    }

    /// Whether there is a key of that kind.
    #[must_use]
    pub fn has_key(&self, credential: Credential) -> bool {
        self.keys.of(credential).is_some()
    }

    /// Sends a request once and reads its answer under the caps. `files` has what forms name, and keeps what an answer is.
    /// A key that the service repeats is not in what is returned.
    pub async fn exchange(
        &self,
        request: &HttpRequest,
        credential: Credential,
        request_id: Option<&str>,
        files: &Arc<dyn Files>,
    ) -> Exchanged {
        self.exchange_heard(request, credential, request_id, files, &mut |_| {}).await
    }

    /// The same; `hear` gets the pieces of the answer as they come.
    pub(crate) async fn exchange_heard(
        &self,
        request: &HttpRequest,
        credential: Credential,
        request_id: Option<&str>,
        files: &Arc<dyn Files>,
        hear: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Exchanged {
        self.redacted(request, Some(credential), request_id, files, hear).await
    }

    /// The same without a key, for those who ask for none.
    pub(super) async fn exchange_openly(&self, request: &HttpRequest, files: &Arc<dyn Files>) -> Exchanged {
        self.redacted(request, None, None, files, &mut |_| {}).await
    }

    /// Keys that the far side repeats are taken out of what is heard and kept.
    async fn redacted(
        &self,
        request: &HttpRequest,
        credential: Option<Credential>,
        request_id: Option<&str>,
        files: &Arc<dyn Files>,
        hear: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Exchanged {
        let mut live = self.redaction.live();
        let exchanged = self.send(request, credential, request_id, files, &mut |piece| live.hear(piece, hear)).await;
        live.end(hear);
        self.redaction.exchanged(exchanged)
    }

    async fn send(
        &self,
        request: &HttpRequest,
        credential: Option<Credential>,
        request_id: Option<&str>,
        files: &Arc<dyn Files>,
        hear: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Exchanged {
        let mut built = match self.build_request(request, credential, request_id) {
            Ok(built) => built,
            Err(problem) => return lost(Evidence::NotSent, problem),
        };
        if let Some(form) = &request.form {
            match form::write(form, files.as_ref()) {
                Ok(written) => attach(&mut built, written),
                Err(problem) => return lost(Evidence::NotSent, problem),
            }
        }
        // How long a form takes to send is the connection's doing, not the service's: only the total bounds it.
        let first_byte = if request.form.is_some() { self.total } else { self.first_byte };
        let sent = tokio::time::timeout(first_byte, self.http.execute(built)).await;
        let response = match sent {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return self.lost_in_sending(&error),
            Err(_) => {
                let reason = format!("no answer began within {} s", first_byte.as_secs_f64());
                let hint = "raise timeouts.first_byte (of uploads: timeouts.total) of the HTTP client if such calls take longer";
                return lost(Evidence::Unknown, Problem::new("timeout_first_byte", reason).hint(hint));
            }
        };
        crash::point("after_headers");
        let answer = self.read(response, request, files, hear).await;
        if let Exchanged::Answer(answer) = &answer {
            self.gate().heard(answer);
        }
        crash::point("after_body");
        answer
    }

    fn build_request(
        &self,
        request: &HttpRequest,
        credential: Option<Credential>,
        request_id: Option<&str>,
    ) -> Result<reqwest::Request, Problem> {
        let text = format!("{}{}", self.base, request.target);
        let url = Url::parse(&text).map_err(|error| Problem::new("target_wrong", format!("{text}: {error}")))?;
        if url.host_str() != Some(&self.host) {
            // A key belongs to the host of its client, whatever the request says.
            return Err(Problem::new("target_other_host", "the request leads to another host than the HTTP client's"));
        }
        let method = reqwest::Method::from_bytes(request.method.as_bytes())
            .map_err(|_| Problem::new("target_wrong", format!("{} is no HTTP method", request.method)))?;
        let mut built = reqwest::Request::new(method, url);
        let headers = built.headers_mut();
        for (name, value) in &request.headers {
            let value = HeaderValue::from_str(value)
                .map_err(|_| Problem::new("header_value", format!("the value of header {name} cannot be sent")))?;
            headers.insert(HeaderName::from_static(name), value);
        }
        if request.keep {
            // Unpacked, a file has lost the length by which it is known to be whole.
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        if let Some(credential) = credential {
            self.add_credential(headers, credential)?;
        }
        if let (Some(name), Some(id)) = (&self.request_id_header, request_id)
            && let Ok(value) = HeaderValue::from_str(id)
        {
            headers.insert(name.clone(), value);
        }
        if let Some(body) = &request.body {
            *built.body_mut() = Some(body.clone().into());
        } else if request.form.is_none() && matches!(request.method, "POST" | "PUT" | "PATCH") {
            // Without a body these still state their length (RFC 9110, 8.6).
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        Ok(built)
    }

    fn add_credential(&self, headers: &mut HeaderMap, credential: Credential) -> Result<(), Problem> {
        let option = credential.option();
        let Some(key) = self.keys.of(credential) else {
            let reason = format!("the HTTP client {} has no {option}, which this operation asks for", self.name);
            return Err(Problem::new("key_missing", reason).hint(format!("set {option} of the HTTP client")));
        };
        let (name, text) = match self.key_styles.of(credential) {
            KeyStyle::Bearer => (reqwest::header::AUTHORIZATION, format!("Bearer {}", key.expose_secret())),
            KeyStyle::XApiKey => (HeaderName::from_static("x-api-key"), key.expose_secret().to_owned()),
        };
        let mut value = HeaderValue::from_str(&text)
            .map_err(|_| Problem::new("key_wrong", format!("{option} has characters that cannot be sent")))?;
        value.set_sensitive(true);
        headers.insert(name, value);
        Ok(())
    }

    async fn read(
        &self,
        mut response: reqwest::Response,
        request: &HttpRequest,
        files: &Arc<dyn Files>,
        hear: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Exchanged {
        let head = head(&response);
        let mut body = match request.keep && response.status().is_success() {
            true => Body::File(Keeping::start(files.clone(), self.max_file, self.redaction.clone())),
            false => Body::Held(Held::new(self.max_answer)),
        };
        // JSON and streams tell by themselves whether they are whole; a file does not.
        let may_be_cut = matches!(body, Body::File(_)) && !says_its_end(&response);
        let mut page = request.until.map(Page::new);
        loop {
            let limit = page.as_ref().map_or_else(|| Instant::now() + self.idle, |page| page.quiet_at);
            let piece = tokio::time::timeout_at(limit, response.chunk()).await;
            let (code, reason) = match piece {
                Ok(Ok(Some(piece))) => {
                    hear(&piece);
                    let enough = page.as_mut().is_some_and(|page| page.add(&piece));
                    match body.add(piece).await {
                        Added::Fits if !enough => continue,
                        Added::Full if !enough => return truncated(head, body).await,
                        _ => return answered(head, body).await,
                    }
                }
                Ok(Ok(None)) if may_be_cut => {
                    ("answer_cut", "the file came without a length: nothing tells whether it is whole".to_owned())
                }
                Ok(Ok(None)) => return answered(head, body).await,
                // The page of a live stream ends here: nothing came for a while, or it was read for long enough.
                Err(_) if page.is_some() => return answered(head, body).await,
                Ok(Err(error)) if error.is_timeout() && page.is_some() => return answered(head, body).await,
                Ok(Err(error)) if error.is_timeout() => ("timeout_total", "the answer took too long".to_owned()),
                Ok(Err(error)) => ("answer_cut", format!("the answer was cut: {}", innermost(&error))),
                Err(_) => ("timeout_idle", format!("the answer stalled for {} s", self.idle.as_secs_f64())),
            };
            let problem = Problem::new(code, reason);
            let part = HttpAnswer { body: body.cut().await, truncated: true, ..head };
            return Exchanged::Lost { evidence: Evidence::Unknown, problem, part: Some(part) };
        }
    }

    fn lost_in_sending(&self, error: &reqwest::Error) -> Exchanged {
        let cause = innermost(error);
        if let Some(private) = find::<PrivateAddress>(error) {
            return lost(Evidence::NotSent, private_problem(&private.to_string()));
        }
        if error.is_builder() || error.is_connect() {
            let reason = format!("cannot connect to {}: {cause}", self.base);
            let hint = "is the base URI right, and the service reachable from here?";
            return lost(Evidence::NotSent, Problem::new("connect_failed", reason).hint(hint));
        }
        if let Some(shrank) = find::<FileShrank>(error) {
            let hint = "the service has got a part of the request; send it again when nobody writes the file";
            return lost(Evidence::Unknown, Problem::new("file_changed", shrank.to_string()).hint(hint));
        }
        let code = if error.is_timeout() { "timeout_total" } else { "connection_lost" };
        lost(
            Evidence::Unknown,
            Problem::new(code, format!("the connection was lost after the request was sent: {cause}")),
        )
    }
}

/// Whether an answer says how long it is or marks its end, so that a cut cannot look like the end.
fn says_its_end(response: &reqwest::Response) -> bool {
    let headers = response.headers();
    let marks_end = response.version() >= reqwest::Version::HTTP_2;
    marks_end || headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING)
}

/// An answer of which nothing but its head has come.
fn head(response: &reqwest::Response) -> HttpAnswer {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = response.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    HttpAnswer { status: response.status().as_u16(), headers, body: Bytes::new(), kept: None, truncated: false }
}

async fn answered(head: HttpAnswer, body: Body) -> Exchanged {
    match body.whole().await {
        Ok((body, kept)) => Exchanged::Answer(HttpAnswer { body, kept, ..head }),
        Err(error) => Exchanged::Unkept { error, head },
    }
}

async fn truncated(head: HttpAnswer, body: Body) -> Exchanged {
    Exchanged::Answer(HttpAnswer { body: body.cut().await, truncated: true, ..head })
}

/// Gives a request a form as its body, with its length: services refuse uploads in chunks.
fn attach(built: &mut reqwest::Request, written: Written) {
    let headers = built.headers_mut();
    headers.insert(CONTENT_LENGTH, written.length.into());
    if let Ok(content_type) = HeaderValue::from_str(&written.content_type) {
        headers.insert(CONTENT_TYPE, content_type);
    }
    *built.body_mut() = Some(reqwest::Body::wrap_stream(written.into_stream()));
}

/// A client for an address that a setting names: the rules of calls, and short times.
pub(super) fn plain() -> Result<reqwest::Client, Problem> {
    finish(builder().connect_timeout(PLAIN).timeout(PLAIN))
}

/// What holds for everything that is sent.
#[allow(clippy::disallowed_methods, reason = "the one place that builds a client")]
fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .pool_idle_timeout(POOL_IDLE)
        .pool_max_idle_per_host(POOL_PER_HOST)
        .tcp_nodelay(true)
        .user_agent(concat!("tramontane/", env!("CARGO_PKG_VERSION")))
}

fn finish(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, Problem> {
    builder.build().map_err(|error| Problem::new("client_broken", format!("cannot make an HTTP client: {error}")))
}

pub(super) fn build(definition: &HttpClient, lookup: impl Lookup) -> Result<reqwest::Client, Problem> {
    let timeouts = definition.timeouts;
    let mut builder = builder().connect_timeout(span(timeouts.connect.0)).timeout(span(timeouts.total.0));
    if !definition.allow_private_addresses {
        builder = builder.dns_resolver(Arc::new(PublicOnly::of(lookup)));
    }
    finish(builder)
}

/// What can be told of a definition without a network: where its requests go, and the header that marks them.
///
/// # Errors
/// `base_uri_wrong`, `address_private`, `header_name`.
pub(crate) fn judge(definition: &HttpClient, base_uri: &str) -> Result<(Url, Option<HeaderName>), Problem> {
    let url = base_url(base_uri)?;
    if !definition.allow_private_addresses {
        refuse_private_literal(&url)?;
    }
    let header = definition.request_id_header.as_deref().map(|text| {
        HeaderName::from_bytes(text.as_bytes())
            .map_err(|_| Problem::new("header_name", format!("\"{text}\" is no header name")).at("request_id_header"))
    });
    Ok((url, header.transpose()?))
}

/// Reads a base URI.
///
/// # Errors
/// `base_uri_wrong` for what is none; the reason repeats nothing that could be a password.
pub(crate) fn base_url(text: &str) -> Result<Url, Problem> {
    let shown = if text.contains('@') { "this".to_owned() } else { format!("\"{text}\"") };
    let wrong = |reason: String| {
        Problem::new("base_uri_wrong", reason).at("base_uri").hint("write it as https://api.mistral.ai")
    };
    let url = Url::parse(text).map_err(|error| wrong(format!("{shown} is no URI: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(wrong(format!("{shown} is no http or https URI with a host")));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("a base URI has no user, password, query or fragment".to_owned()));
    }
    Ok(url)
}

fn refuse_private_literal(url: &Url) -> Result<(), Problem> {
    if url.host().is_some_and(|host| is_private_host(&host)) {
        Err(private_problem(&format!("{url} is a private address")).at("base_uri"))
    } else {
        Ok(())
    }
}

fn private_problem(reason: &str) -> Problem {
    Problem::new("address_private", reason)
        .hint("set `allow_private_addresses: true` on the HTTP client if this is meant, as for the simulator")
}

fn lost(evidence: Evidence, problem: Problem) -> Exchanged {
    Exchanged::Lost { evidence, problem, part: None }
}

fn span(millis: Millis) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

/// The last cause: what the system said, without the layers' repetitions and without the URL.
pub(super) fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

fn find<'a, T: std::error::Error + 'static>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a T> {
    let mut cause = Some(error);
    while let Some(present) = cause {
        if let Some(found) = present.downcast_ref::<T>() {
            return Some(found);
        }
        cause = present.source();
    }
    None
}
