//! The names under which this server may be asked. A page of somebody else whose name was made to lead here is answered
//! nothing: the browser still says the page's name.

use super::api::Refused;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::HOST;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use model::Problem;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Names that lead to this machine from itself.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// The names, without ports: a tunnel may end at another one.
#[derive(Debug)]
pub(crate) struct Hosts {
    names: Vec<String>,
    /// It listens on every address, so any may be asked for. A browser sends an address only to pages at that address.
    any_address: bool,
}

impl Hosts {
    /// Loopback, the address listened on, and these.
    pub(crate) fn new(listens: &[SocketAddr], given: &[String]) -> Arc<Self> {
        let own = listens.iter().map(|listen| match listen.ip() {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        });
        let names = LOOPBACK.iter().map(|name| (*name).to_owned()).chain(own);
        let names = names.chain(given.iter().map(|name| name.to_ascii_lowercase())).collect();
        Arc::new(Self { names, any_address: listens.iter().any(|listen| listen.ip().is_unspecified()) })
    }

    fn knows(&self, host: &str) -> bool {
        let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((_, port)) if port.is_empty() || is_port(port) => &host[..host.len() - port.len()],
            Some(_) => return false,
            None => match host.rfind(':') {
                Some(at) if is_port(&host[at..]) => &host[..at],
                Some(_) => return false,
                None => host,
            },
        };
        let is_address = || name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
        self.names.iter().any(|known| known.eq_ignore_ascii_case(name)) || (self.any_address && is_address())
    }
}

fn is_port(text: &str) -> bool {
    text.strip_prefix(':').is_some_and(|port| port.len() <= 5 && port.bytes().all(|digit| digit.is_ascii_digit()))
}

/// What a name given on the command line must look like.
pub(crate) fn host_name(text: &str) -> Result<String, String> {
    let is_fine = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '[' | ']' | ':');
    if !text.is_empty()
        && text.len() <= 253
        && text.chars().all(is_fine)
        && (text.starts_with('[') || !text.contains(':'))
    {
        return Ok(text.to_owned());
    }
    Err("a host is a name like tramontane.example.com, without scheme and port".to_owned())
}

/// Answers only who asks for a name that is known, once.
pub(super) async fn known(State(hosts): State<Arc<Hosts>>, request: Request, next: Next) -> Response {
    let mut named = request.headers().get_all(HOST).iter();
    let host = match (named.next(), named.next()) {
        (Some(only), None) => only.to_str().ok(),
        _ => None,
    };
    // A request may name its host in its first line too.
    let other = request.uri().authority().map(axum::http::uri::Authority::as_str);
    if host.is_some_and(|host| hosts.knows(host)) && other.is_none_or(|other| hosts.knows(other)) {
        return next.run(request).await;
    }
    let problem = Problem::new("host_unknown", "this server is not known under the name that was asked for");
    let hint = "tramontane serve --host NAME allows one more";
    Refused::new(StatusCode::MISDIRECTED_REQUEST, problem.hint(hint)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_with_any_port() {
        let hosts = Hosts::new(&["192.0.2.7:8420".parse().unwrap()], &["Tramontane.example.com".to_owned()]);
        let known = [
            "localhost",
            "LOCALHOST:1",
            "127.0.0.1:8420",
            "[::1]",
            "[::1]:8420",
            "192.0.2.7",
            "192.0.2.7:8420",
            "tramontane.example.com",
            "TRAMONTANE.example.com:443",
        ];
        for host in known {
            assert!(hosts.knows(host), "{host}");
        }
        let foreign = [
            "",
            "evil.example",
            "localhost.evil.example",
            "evil.example:8420",
            "tramontane.example.com.",
            "tramontane.example.com.evil.example",
            "127.0.0.1.evil.example",
            "192.0.2.8",
            "0.0.0.0",
            "127.0.0.1:8420:1",
            "127.0.0.1:x",
            "127.0.0.1:123456",
            "localhost@evil.example",
            "evil.example#localhost",
            "[::1",
            "[::1]evil",
            "[::2]",
            "::1",
            "localhost ",
            "localhost/",
            "2130706433",
            "127.1",
        ];
        for host in foreign {
            assert!(!hosts.knows(host), "{host}");
        }
        let wide = Hosts::new(&["0.0.0.0:8420".parse().unwrap()], &[]);
        assert!(wide.knows("10.1.2.3:8420") && wide.knows("[2001:db8::1]") && !wide.knows("evil.example"));
    }

    #[test]
    fn a_name_given_is_a_name() {
        for fine in ["a", "tramontane.example.com", "[2001:db8::1]", "10.0.0.1"] {
            assert!(host_name(fine).is_ok(), "{fine}");
        }
        for wrong in ["", "http://a", "a:80", "a/b", "a b", "*", "a,b"] {
            assert!(host_name(wrong).is_err(), "{wrong}");
        }
    }
}
