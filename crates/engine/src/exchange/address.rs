//! Which addresses may be dialled: a definition must not reach into the private network unless it says so.

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use url::Host;

/// Whether an address lies outside the public internet: loopback, private, link-local, shared, documentation,
/// multicast and reserved ranges, and IPv6 forms that carry such an IPv4 address (IANA special-purpose registries).
#[must_use]
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_private_v4(v4),
        IpAddr::V6(v6) => is_private_v6(v6),
    }
}

fn is_private_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    v4.is_unspecified()
        || v4.is_loopback()
        || v4.is_private()
        || v4.is_link_local()
        || v4.is_multicast()
        || v4.is_broadcast()
        || v4.is_documentation()
        || a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (b == 18 || b == 19))
        || a >= 240
}

fn is_private_v6(v6: Ipv6Addr) -> bool {
    let segments = v6.segments();
    if let Some(v4) = v6.to_ipv4() {
        // ::ffff:a.b.c.d and ::a.b.c.d; `::1` and `::` come out as 0.0.0.x, which is private too.
        return is_private_v4(v4);
    }
    let embedded = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        is_private_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments[0] {
        // NAT64 and 6to4 carry an IPv4 address that is reached in the end.
        0x64 if segments[1] == 0xff9b => segments[2] != 0 || embedded(segments[6], segments[7]),
        0x2002 => embedded(segments[1], segments[2]),
        0x2001 => segments[1] < 0x200 || segments[1] == 0xdb8,
        first => {
            first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80 || first & 0xff00 == 0xff00 || first & 0xe000 != 0x2000
        }
    }
}

/// Whether a host is known to be private without a look-up. Names are judged when they are looked up, but for one.
pub(crate) fn is_private_host(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(address) => is_private((*address).into()),
        Host::Ipv6(address) => is_private((*address).into()),
        Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
    }
}

/// The public addresses of a name. What it returns is to be dialled, so that there is no second look-up that could answer
/// differently.
///
/// # Errors
/// [`PrivateAddress`] where there are none; what the look-up says.
pub(crate) async fn public_addresses(name: &str, port: u16) -> Result<Vec<SocketAddr>, Box<dyn Error + Send + Sync>> {
    let found = tokio::net::lookup_host((name, port)).await?;
    let public: Vec<SocketAddr> = found.filter(|address| !is_private(address.ip())).collect();
    if public.is_empty() { Err(PrivateAddress(name.to_owned()).into()) } else { Ok(public) }
}

/// Looks names up.
pub(super) trait Lookup: Send + Sync + 'static {
    /// The addresses of a name.
    fn find(&self, name: &str) -> impl Future<Output = std::io::Result<Vec<SocketAddr>>> + Send;
}

/// The resolver of the system.
pub(super) struct System;

impl Lookup for System {
    async fn find(&self, name: &str) -> std::io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.collect())
    }
}

/// Looks names up and keeps only public addresses. What it returns is what is dialled, so there is no second look-up
/// that could answer differently.
pub(super) struct PublicOnly<L>(Arc<L>);

impl<L> PublicOnly<L> {
    pub(super) fn of(lookup: L) -> Self {
        Self(Arc::new(lookup))
    }
}

impl<L: Lookup> Resolve for PublicOnly<L> {
    fn resolve(&self, name: Name) -> Resolving {
        let lookup = self.0.clone();
        Box::pin(async move {
            let found = lookup.find(name.as_str()).await?;
            let public: Vec<SocketAddr> = found.into_iter().filter(|address| !is_private(address.ip())).collect();
            if public.is_empty() {
                return Err(PrivateAddress(name.as_str().to_owned()).into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// A name that leads only to private addresses.
#[derive(Debug)]
pub(crate) struct PrivateAddress(pub(super) String);

impl std::fmt::Display for PrivateAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} leads to a private address", self.0)
    }
}

impl Error for PrivateAddress {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_and_public() {
        let private = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.0.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::10.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "2002:0a00:0001::1",
            "2001:db8::1",
            "2001::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "ff02::1",
            "100::1",
            "5f00::1",
        ];
        for text in private {
            assert!(is_private(text.parse().unwrap()), "{text} is private");
        }
        let public = [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.0.1",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:0808:0808::1",
        ];
        for text in public {
            assert!(!is_private(text.parse().unwrap()), "{text} is public");
        }
    }
}
