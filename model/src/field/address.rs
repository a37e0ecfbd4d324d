//! IP addresses and networks.

use std::net::IpAddr;

use ipnet::IpNet;

/// Reads an address or a network in CIDR notation. Bits behind the mask are ignored.
#[must_use]
pub fn parse(text: &str) -> Option<IpNet> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(IpNet::from(address));
    }
    text.parse::<IpNet>().ok().map(|network| network.trunc())
}

/// An IPv4 address inside an IPv6 one (`::ffff:1.2.3.4`) as the IPv4 address; others unchanged.
#[must_use]
pub fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_networks_of_one() {
        assert_eq!(parse("10.0.0.1"), "10.0.0.1/32".parse().ok());
        assert_eq!(parse("::1"), "::1/128".parse().ok());
    }

    #[test]
    fn bits_behind_the_mask_do_not_count() {
        assert_eq!(parse("10.1.2.3/8"), "10.0.0.0/8".parse().ok());
    }

    #[test]
    fn other_text_is_not_an_address() {
        for text in ["", "10.0.0", "10.0.0.1/33", "example.com", "::1/129"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
