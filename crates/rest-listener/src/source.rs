//! The source address of a request, for the audit log.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use http::HeaderMap;
use ipnet::IpNet;
use thiserror::Error;

/// The proxies whose `X-Forwarded-For` is trusted; none by default, since a client can send any.
///
/// From text: addresses and networks (`10.0.0.7`, `172.16.0.0/12`, `::1`), separated by commas.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Arc<[IpNet]>);

/// A text that is no list of addresses and networks.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("addresses and networks such as `10.0.0.7,172.16.0.0/12`")]
pub struct InvalidProxies;

impl FromStr for TrustedProxies {
    type Err = InvalidProxies;

    fn from_str(text: &str) -> Result<Self, InvalidProxies> {
        let network = |part: &str| {
            let part = part.trim();
            let network = part.parse::<IpNet>().ok();
            network.or_else(|| part.parse::<IpAddr>().ok().map(IpNet::from)).ok_or(InvalidProxies)
        };
        text.split(',').map(network).collect::<Result<_, _>>().map(Self)
    }
}

impl TrustedProxies {
    /// The address of the peer or, if that is a trusted proxy, the address that the proxy appended,
    /// and so on. Addresses further left are not trusted.
    pub(crate) fn source(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut source = peer.to_canonical();
        let values = headers.get_all("x-forwarded-for").iter().rev();
        let mut hops = values.flat_map(|value| value.to_str().unwrap_or_default().rsplit(',')).map(str::trim);
        while self.is_trusted(source)
            && let Some(Ok(hop)) = hops.next().map(str::parse::<IpAddr>)
        {
            source = hop.to_canonical();
        }
        source
    }

    fn is_trusted(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn source(trusted: &str, peer: &str, forwarded: &[&'static str]) -> String {
        let name = HeaderName::from_static("x-forwarded-for");
        let headers = forwarded.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect();
        let trusted = if trusted.is_empty() { TrustedProxies::default() } else { trusted.parse().unwrap() };
        trusted.source(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn without_a_trusted_proxy_the_peer_is_the_source_whatever_the_header_says() {
        assert_eq!(source("", "192.0.2.1", &["198.51.100.9"]), "192.0.2.1");
        assert_eq!(source("10.0.0.0/8", "192.0.2.1", &["198.51.100.9"]), "192.0.2.1");
        assert_eq!(source("", "::ffff:192.0.2.1", &[]), "192.0.2.1");
    }

    #[test]
    fn of_a_trusted_proxy_the_last_address_that_is_not_trusted_itself_counts() {
        assert_eq!(source("10.0.0.7", "10.0.0.7", &["198.51.100.9"]), "198.51.100.9");
        assert_eq!(source("10.0.0.0/8, ::1", "::1", &["6.6.6.6, 198.51.100.9, 10.0.0.3"]), "198.51.100.9");
        assert_eq!(source("10.0.0.0/8", "10.0.0.7", &["6.6.6.6", "198.51.100.9"]), "198.51.100.9");
        assert_eq!(source("10.0.0.0/8", "10.0.0.7", &["10.0.0.1"]), "10.0.0.1");
    }

    #[test]
    fn invalid_addresses_are_ignored() {
        for forwarded in ["unknown", "", "198.51.100.9:1234", "1.2.3.4, \"x\""] {
            assert_eq!(source("10.0.0.7", "10.0.0.7", &[forwarded]), "10.0.0.7", "{forwarded}");
        }
    }

    #[test]
    fn invalid_networks_are_refused() {
        for text in ["", "nginx", "10.0.0.0/33", "10.0.0.1,", "10.0.0.1 10.0.0.2"] {
            assert_eq!(text.parse::<TrustedProxies>(), Err(InvalidProxies), "{text:?}");
        }
    }
}
