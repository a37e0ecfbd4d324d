//! Addresses and networks as sorted ranges that do not touch: one binary search, whatever their number.

use std::net::IpAddr;

use ipnet::IpNet;

/// A set of addresses.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Ranges {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl Ranges {
    /// The addresses of this list.
    ///
    /// # Errors
    /// An entry is neither an address nor a network.
    pub(crate) fn parse<S: AsRef<str>>(list: &[S]) -> Result<Self, String> {
        let mut ranges = Self::default();
        for text in list {
            match network(text.as_ref())? {
                IpNet::V4(net) => ranges
                    .v4
                    .push((net.network().into(), net.broadcast().into())),
                IpNet::V6(net) => ranges
                    .v6
                    .push((net.network().into(), net.broadcast().into())),
            }
        }
        merge(&mut ranges.v4, |end| end.checked_add(1));
        merge(&mut ranges.v6, |end| end.checked_add(1));
        Ok(ranges)
    }

    /// Whether the address is one of them. An IPv4 address inside of IPv6 is an IPv4 address.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => holds(&self.v4, u32::from(address)),
            IpAddr::V6(address) => holds(&self.v6, u128::from(address)),
        }
    }
}

/// An address or a network.
///
/// # Errors
/// It is neither.
pub(crate) fn network(text: &str) -> Result<IpNet, String> {
    let net = match text.parse::<IpAddr>() {
        Ok(address) => Some(IpNet::from(address.to_canonical())),
        Err(_) => text.parse().ok(),
    };
    net.ok_or_else(|| format!("invalid ip address: {text}"))
}

/// Sorts, and joins what overlaps or touches.
fn merge<T: Ord + Copy>(ranges: &mut Vec<(T, T)>, next: impl Fn(T) -> Option<T>) {
    ranges.sort_unstable();
    ranges.dedup_by(|later, earlier| {
        let touches = next(earlier.1).is_none_or(|after| later.0 <= after);
        if touches {
            earlier.1 = earlier.1.max(later.1);
        }
        touches
    });
}

fn holds<T: Ord>(ranges: &[(T, T)], address: T) -> bool {
    let after = ranges.partition_point(|(start, _)| *start <= address);
    let last = after.checked_sub(1).and_then(|at| ranges.get(at));
    last.is_some_and(|(_, end)| address <= *end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ranges(list: &[&str]) -> Ranges {
        Ranges::parse(list).unwrap()
    }

    #[test]
    fn overlapping_and_touching_networks_become_one_range() {
        let set = ranges(&[
            "10.0.0.0/25",
            "10.0.0.128/25",
            "10.0.0.7",
            "::1",
            "2001:db8::/32",
        ]);
        assert_eq!(set.v4.len(), 1);
        assert_eq!(set.v6.len(), 2);
        for (address, expected) in [
            ("10.0.0.0", true),
            ("10.0.0.255", true),
            ("10.0.1.0", false),
            ("9.255.255.255", false),
            ("::ffff:10.0.0.7", true),
            ("::1", true),
            ("::2", false),
            ("2001:db8:ffff::1", true),
            ("2001:db9::", false),
        ] {
            assert_eq!(
                set.contains(address.parse().unwrap()),
                expected,
                "{address}"
            );
        }
        let all = ranges(&["0.0.0.0/0", "255.255.255.255", "::/0"]);
        assert!(all.contains("255.255.255.255".parse().unwrap()));
        assert!(all.contains("::".parse().unwrap()));
        assert!(!ranges(&[]).contains("::".parse().unwrap()));
    }

    #[test]
    fn what_is_no_network_is_named() {
        for text in ["1.2.3", "1.2.3.4/33", "::1/129", "a", "1::2::3/4", ""] {
            assert_eq!(
                Ranges::parse(&[text]),
                Err(format!("invalid ip address: {text}"))
            );
        }
    }

    proptest! {
        #[test]
        fn the_search_agrees_with_a_scan(
            nets in proptest::collection::vec((any::<u32>(), 8_u8..=32), 0..60),
            probes in proptest::collection::vec(any::<u32>(), 60),
        ) {
            let nets: Vec<IpNet> = nets
                .into_iter()
                .map(|(address, bits)| IpNet::new(IpAddr::from(address.to_be_bytes()), bits).unwrap())
                .collect();
            let texts: Vec<String> = nets.iter().map(ToString::to_string).collect();
            let set = Ranges::parse(&texts).unwrap();
            let edges = nets.iter().flat_map(|net| [net.network(), net.broadcast()]);
            let probes = probes.into_iter().map(|probe| IpAddr::from(probe.to_be_bytes()));
            for probe in edges.chain(probes) {
                let expected = nets.iter().any(|net| net.contains(&probe));
                prop_assert_eq!(set.contains(probe), expected, "{}", probe);
            }
        }
    }
}
