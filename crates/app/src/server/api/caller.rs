//! What a request says of who sends it, before anybody believes it.

use super::super::listen::Client as Sender;
use axum::extract::{MatchedPath, Request};
use axum::http::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN};
use axum::http::{Extensions, HeaderMap, HeaderName, Method};
use model::Problem;

/// The cookie of a session.
pub(super) const COOKIE_NAME: &str = "tramontane_session";
/// What pages of this server send with all that changes something. A form of another site cannot.
const OWN_HEADER: HeaderName = HeaderName::from_static("x-tramontane");
/// What browsers say about who sends a request.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Where a request comes from.
#[derive(Clone, Debug)]
pub(super) struct Client {
    /// The address.
    pub(super) address: String,
    /// It came over TLS to a proxy that we know.
    pub(super) is_secure: bool,
}

impl Client {
    pub(super) fn of(extensions: &Extensions) -> Self {
        let sent = extensions.get::<Sender>();
        // What comes by a socket in the file system has no address.
        let address =
            sent.and_then(|sent| sent.address).map_or_else(|| "unix".to_owned(), |address| address.to_string());
        Self { address, is_secure: sent.is_some_and(|sent| sent.is_secure) }
    }
}

/// What lets somebody in, as a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    Nothing,
    Token([u8; 32]),
    Session([u8; 32]),
}

/// What a request says of who sends it.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) shown: Shown,
    pub(super) client: Client,
    /// Method and route, for the record.
    pub(super) asked: String,
    /// It may change something.
    pub(super) changes: bool,
    site: Site,
}

/// What a browser says of the page that sends a request.
#[derive(Debug)]
struct Site {
    has_own_header: bool,
    /// `Origin` names this server; `None`: it is not there.
    is_own_origin: Option<bool>,
    /// `Sec-Fetch-Site` says that no other site has to do with it; `None`: it is not there.
    is_own_site: Option<bool>,
}

impl Caller {
    pub(super) fn of(request: &Request) -> Self {
        let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str).unwrap_or_default();
        let client = Client::of(request.extensions());
        Self {
            shown: shown(request.headers()),
            asked: format!("{} {route}", request.method()),
            changes: !matches!(*request.method(), Method::GET | Method::HEAD),
            site: Site::of(request.headers(), client.is_secure),
            client,
        }
    }

    /// Whether it is sent by a page of this server, or by no page at all. What changes something must say so.
    ///
    /// # Errors
    /// `origin_foreign`, `header_missing`.
    pub(super) fn is_from_here(&self) -> Result<(), Problem> {
        let Site { has_own_header, is_own_origin, is_own_site } = self.site;
        let is_said = is_own_origin.is_some() || is_own_site.is_some();
        if is_own_origin == Some(false) || is_own_site == Some(false) || (self.changes && !is_said) {
            let problem = Problem::new("origin_foreign", "this request was not sent by a page of this server");
            return Err(problem.hint("a program shows a token instead: Authorization: Bearer TOKEN"));
        }
        if self.changes && !has_own_header {
            let problem = Problem::new("header_missing", "what changes something needs the header x-tramontane: 1");
            return Err(problem);
        }
        Ok(())
    }
}

impl Site {
    fn of(headers: &HeaderMap, is_secure: bool) -> Self {
        let own = format!("{}://{}", if is_secure { "https" } else { "http" }, single(headers, &HOST).unwrap_or("/"));
        let all = |name: &HeaderName, is_own: &dyn Fn(&str) -> bool| {
            let mut values = headers.get_all(name).iter().peekable();
            values.peek()?;
            Some(values.all(|value| value.to_str().is_ok_and(is_own)))
        };
        Self {
            has_own_header: single(headers, &OWN_HEADER) == Some("1"),
            is_own_origin: all(&ORIGIN, &|origin| origin.eq_ignore_ascii_case(&own)),
            is_own_site: all(&FETCH_SITE, &|site| matches!(site, "same-origin" | "none")),
        }
    }
}

/// A header that is there once.
pub(super) fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let (only, None) = (values.next()?, values.next()) else { return None };
    only.to_str().ok()
}

/// The token, or else the session, if it is shown once and looks like ours. Who shows a token means that.
fn shown(headers: &HeaderMap) -> Shown {
    if headers.contains_key(AUTHORIZATION) {
        return token(headers).map_or(Shown::Nothing, Shown::Token);
    }
    session(headers).map_or(Shown::Nothing, Shown::Session)
}

fn token(headers: &HeaderMap) -> Option<[u8; 32]> {
    let (scheme, token) = single(headers, &AUTHORIZATION)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| crate::token::hash(token)).flatten()
}

/// The hash of the session in the cookies. Two of them are none: one is not from us.
pub(super) fn session(headers: &HeaderMap) -> Option<[u8; 32]> {
    let mut found = None;
    for header in headers.get_all(COOKIE) {
        for cookie in header.to_str().ok()?.split(';') {
            let Some((COOKIE_NAME, value)) = cookie.trim_matches(' ').split_once('=') else { continue };
            if found.replace(value).is_some() {
                return None;
            }
        }
    }
    crate::token::hash_bits(found?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, headers: &[(&str, &str)]) -> Request {
        let builder = axum::http::Request::builder().method(method).uri("/");
        let builder = headers.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value));
        builder.body(axum::body::Body::empty()).unwrap()
    }

    #[test]
    fn a_request_is_from_here_or_is_not() {
        const HOST: (&str, &str) = ("host", "a:1");
        const OWN: (&str, &str) = ("x-tramontane", "1");
        const ORIGIN: (&str, &str) = ("origin", "http://a:1");
        const SITE: (&str, &str) = ("sec-fetch-site", "same-origin");
        type Headers<'a> = &'a [(&'a str, &'a str)];
        let cases: [(&str, Headers<'_>, &str); 21] = [
            ("POST", &[HOST, OWN, ORIGIN, SITE], ""),
            ("POST", &[HOST, OWN, ORIGIN], ""),
            ("POST", &[HOST, OWN, SITE], ""),
            ("POST", &[HOST, OWN, ("sec-fetch-site", "none")], ""),
            ("POST", &[HOST, OWN, ("origin", "HTTP://A:1")], ""),
            ("POST", &[HOST, ORIGIN, SITE], "header_missing"),
            ("POST", &[HOST, ORIGIN, ("x-tramontane", "0")], "header_missing"),
            ("POST", &[HOST, ORIGIN, OWN, OWN], "header_missing"),
            ("POST", &[HOST, OWN], "origin_foreign"),
            ("POST", &[HOST, OWN, ("origin", "null")], "origin_foreign"),
            ("POST", &[HOST, OWN, ("origin", "https://a:1")], "origin_foreign"),
            ("POST", &[HOST, OWN, ("origin", "http://a:2")], "origin_foreign"),
            ("POST", &[HOST, OWN, ("origin", "http://a:1.evil.example")], "origin_foreign"),
            ("POST", &[HOST, OWN, ORIGIN, ("origin", "http://evil.example")], "origin_foreign"),
            ("POST", &[HOST, OWN, ORIGIN, ("sec-fetch-site", "cross-site")], "origin_foreign"),
            ("POST", &[HOST, OWN, ("sec-fetch-site", "same-site")], "origin_foreign"),
            ("POST", &[HOST, HOST, OWN, ORIGIN], "origin_foreign"),
            ("GET", &[HOST], ""),
            ("GET", &[HOST, SITE], ""),
            ("GET", &[HOST, ("sec-fetch-site", "cross-site")], "origin_foreign"),
            ("HEAD", &[HOST, ("origin", "http://evil.example")], "origin_foreign"),
        ];
        for (method, headers, code) in cases {
            let said = Caller::of(&request(method, headers)).is_from_here();
            assert_eq!(
                said.err().map_or_else(String::new, |problem| problem.code.into_owned()),
                code,
                "{method} {headers:?}"
            );
        }
    }

    #[test]
    fn what_is_shown_is_one_token_or_one_session() {
        let (token, token_hash) = crate::token::make().unwrap();
        let (bits, session_hash) = crate::token::make_bits().unwrap();
        let bearer = format!("Bearer {token}");
        let cookie = format!("tramontane_session={bits}");
        let basic = "Basic YWRtaW46YWRtaW4=".to_owned();
        let of = |headers: &[(&str, &String)]| {
            let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            Caller::of(&request("GET", &headers)).shown
        };
        assert_eq!(of(&[("authorization", &bearer)]), Shown::Token(token_hash));
        assert_eq!(of(&[("authorization", &bearer), ("cookie", &cookie)]), Shown::Token(token_hash));
        assert_eq!(of(&[("cookie", &cookie)]), Shown::Session(session_hash));
        assert_eq!(of(&[("cookie", &format!("a=b; {cookie}; c=d"))]), Shown::Session(session_hash));
        let nothing: [&[(&str, &String)]; 10] = [
            &[],
            &[("authorization", &basic), ("cookie", &cookie)],
            &[("authorization", &bearer), ("authorization", &bearer)],
            &[("authorization", &format!("Bearer {bits}"))],
            &[("cookie", &cookie), ("cookie", &cookie)],
            &[("cookie", &format!("{cookie}; {cookie}"))],
            &[("cookie", &format!("tramontane_session=\"{bits}\""))],
            &[("cookie", &format!("Tramontane_Session={bits}"))],
            &[("cookie", &format!("tramontane_session={token}"))],
            &[("cookie", &format!("tramontane_session={bits}="))],
        ];
        for headers in nothing {
            assert_eq!(of(headers), Shown::Nothing, "{headers:?}");
        }
    }
}
