//! Who sends a request. What a proxy says of that counts only where the proxy is ours.

use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use model::Problem;
use std::net::{IpAddr, SocketAddr};

/// Who sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    /// Their address; `None` on a socket in the file system.
    pub(crate) address: Option<IpAddr>,
    /// Whether they came to the proxy by TLS.
    pub(crate) is_secure: bool,
}

/// The proxies that are ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Proxies {
    networks: Vec<IpNet>,
    /// Whether what comes by a socket in the file system comes from one.
    unix: bool,
}

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

impl Proxies {
    /// Reads addresses, networks (`10.0.0.0/8`) and `unix`.
    ///
    /// # Errors
    /// `proxy_wrong`.
    pub(crate) fn read(texts: &[String]) -> Result<Self, Problem> {
        let mut proxies = Self::default();
        for text in texts {
            let network = text.parse::<IpAddr>().ok().map(IpNet::from).or_else(|| text.parse().ok());
            match network {
                Some(network) => proxies.networks.push(network),
                None if text == "unix" => proxies.unix = true,
                None => {
                    let reason = format!("\"{}\" is no address of a proxy", text.escape_debug());
                    return Err(Problem::new("proxy_wrong", reason).at("--behind-proxy").hint(
                        "write the address that the proxy connects from: 127.0.0.1, 10.0.0.0/24, or unix for the socket",
                    ));
                }
            }
        }
        Ok(proxies)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.networks.is_empty() && !self.unix
    }

    /// Whether a peer is one of them.
    pub(crate) fn trusts(&self, peer: Option<IpAddr>) -> bool {
        match peer {
            Some(peer) => self.networks.iter().any(|network| network.contains(&peer.to_canonical())),
            None => self.unix,
        }
    }

    /// Who sends a request that comes from this peer: of the addresses that our proxies added, the last one that is none
    /// of them.
    pub(crate) fn client(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Client {
        let peer = peer.map(|peer| peer.to_canonical());
        if !self.trusts(peer) {
            return Client { address: peer, is_secure: false };
        }
        let mut address = peer;
        let all = headers.get_all(FORWARDED_FOR);
        let texts: Vec<&str> = all.iter().map(|value| value.to_str().unwrap_or_default()).collect();
        for text in texts.iter().rev().flat_map(|text| text.rsplit(',')) {
            // What cannot be read was not added by ours: then the last proxy is all that is known.
            let Some(next) = parsed(text.trim()) else { break };
            address = Some(next);
            if !self.trusts(Some(next)) {
                break;
            }
        }
        let secure = |value: &axum::http::HeaderValue| {
            value.to_str().ok().and_then(|text| text.rsplit(',').next()).is_some_and(|text| text.trim() == "https")
        };
        let is_secure = headers.get_all(FORWARDED_PROTO).iter().next_back().is_some_and(secure);
        Client { address, is_secure }
    }
}

/// An address, with or without a port.
fn parsed(text: &str) -> Option<IpAddr> {
    let address = text.parse::<IpAddr>().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn who_asks_is_what_our_own_proxies_say() {
        let proxies = Proxies::read(&["10.0.0.0/8".to_owned(), "::1".to_owned()]).unwrap();
        let cases: [(&str, &[&str], &str); 11] = [
            ("192.0.2.1", &["203.0.113.9"], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["1.1.1.1, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),
            ("10.0.0.1", &["1.1.1.1", "203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["203.0.113.9:4711"], "203.0.113.9"),
            ("10.0.0.1", &["[2001:db8::1]:80"], "2001:db8::1"),
            ("10.0.0.1", &["203.0.113.9, nonsense"], "10.0.0.1"),
            ("10.0.0.1", &["10.0.0.3"], "10.0.0.3"),
            ("::ffff:10.0.0.1", &["::ffff:203.0.113.9"], "203.0.113.9"),
        ];
        for (peer, given, expected) in cases {
            let mut headers = HeaderMap::new();
            for value in given {
                headers.append(FORWARDED_FOR, HeaderValue::from_static(value));
            }
            let client = proxies.client(peer.parse().ok(), &headers);
            assert_eq!(client.address, expected.parse().ok(), "{peer} {given:?}");
        }
    }

    #[test]
    fn tls_is_what_our_own_proxy_says() {
        let proxies = Proxies::read(&["unix".to_owned()]).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static("https"));
        assert!(proxies.client(None, &headers).is_secure);
        assert!(!proxies.client("192.0.2.1".parse().ok(), &headers).is_secure);
        headers.append(FORWARDED_PROTO, HeaderValue::from_static("http"));
        assert!(!proxies.client(None, &headers).is_secure);
        assert!(Proxies::read(&["somewhere".to_owned()]).is_err());
    }
}
