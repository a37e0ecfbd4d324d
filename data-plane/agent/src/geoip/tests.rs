use super::*;

/// A MaxMind DB file of IPv4 networks of whole octets, each with a continent and maybe a country.
fn file(networks: &[(&[u8], &str, Option<&str>)]) -> Vec<u8> {
    let mut data = Vec::new();
    // Per node what follows a 0 and a 1: nothing, another node, or a place in the data.
    let mut nodes: Vec<[Next; 2]> = vec![[Next::Nothing; 2]];
    for (octets, continent, country) in networks {
        let place = data.len();
        let mut pairs = vec![("continent", map(&[("code", text(continent))]))];
        if let Some(country) = country {
            pairs.push(("country", map(&[("iso_code", text(country))])));
        }
        data.extend(map(&pairs));
        let bits = octets.len() * 8;
        let bit = |at: usize| usize::from(octets[at / 8] >> (7 - at % 8) & 1);
        let mut node = 0;
        for at in 0..bits - 1 {
            node = match nodes[node][bit(at)] {
                Next::Node(next) => next,
                _ => {
                    nodes.push([Next::Nothing; 2]);
                    let next = nodes.len() - 1;
                    nodes[node][bit(at)] = Next::Node(next);
                    next
                }
            };
        }
        nodes[node][bit(bits - 1)] = Next::Data(place);
    }
    let count = nodes.len();
    let mut bytes = Vec::new();
    for next in nodes.iter().flatten() {
        let record = match next {
            Next::Nothing => count,
            Next::Node(node) => *node,
            Next::Data(place) => count + 16 + place,
        };
        bytes.extend(&u32::try_from(record).unwrap().to_be_bytes()[1..]);
    }
    bytes.extend([0; 16]);
    bytes.extend(data);
    bytes.extend(b"\xab\xcd\xefMaxMind.com");
    bytes.extend(map(&[
        ("binary_format_major_version", number(5, 2)),
        ("binary_format_minor_version", number(5, 0)),
        ("build_epoch", vec![0x04, 0x02, 0, 0, 0, 1]),
        ("database_type", text("Test-Country")),
        ("description", map(&[])),
        ("ip_version", number(5, 4)),
        ("languages", vec![0x00, 0x04]),
        ("node_count", number(6, u8::try_from(count).unwrap())),
        ("record_size", number(5, 24)),
    ]));
    bytes
}

#[derive(Clone, Copy)]
enum Next {
    Nothing,
    Node(usize),
    Data(usize),
}

fn text(text: &str) -> Vec<u8> {
    let mut bytes = vec![2 << 5 | u8::try_from(text.len()).unwrap()];
    bytes.extend(text.as_bytes());
    bytes
}

/// An unsigned number of type 5 (16 bits) or 6 (32 bits).
fn number(kind: u8, value: u8) -> Vec<u8> {
    vec![kind << 5 | 1, value]
}

fn map(pairs: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = vec![7 << 5 | u8::try_from(pairs.len()).unwrap()];
    for (name, value) in pairs {
        bytes.extend(text(name));
        bytes.extend(value);
    }
    bytes
}

#[test]
fn addresses_have_a_country_and_a_continent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.mmdb");
    let networks: [(&[u8], &str, Option<&str>); 2] =
        [(&[192, 0, 2], "EU", Some("DE")), (&[10], "AN", None)];
    std::fs::write(&path, file(&networks)).unwrap();
    let known = GeoFile::open(&path).unwrap();
    let of = |address: &str| known.of(address.parse().unwrap());
    let place = |continent: &str, country: Option<&str>| {
        Some(Location {
            country: country.map(str::to_owned),
            continent: Some(continent.to_owned()),
        })
    };
    assert_eq!(of("192.0.2.77"), place("EU", Some("DE")));
    assert_eq!(of("10.255.0.1"), place("AN", None));
    for unknown in ["192.0.3.1", "2001:db8::1"] {
        assert_eq!(of(unknown).unwrap_or_default(), Location::default());
    }
}

#[test]
fn a_file_of_another_kind_is_refused_by_its_option() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.mmdb");
    std::fs::write(&path, "something else").unwrap();
    for path in [path, folder.path().join("absent")] {
        let error = GeoFile::open(&path).err().unwrap().to_string();
        assert!(error.starts_with("variables.geoip_file: "), "{error}");
    }
}
