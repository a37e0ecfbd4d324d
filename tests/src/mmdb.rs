//! A small writer of MaxMind DB files (format 2.0): countries and continents by network.

/// A network: its first octets, the continent, and maybe the country.
pub type Network<'n> = (&'n [u8], &'n str, Option<&'n str>);

/// What follows a bit of an address.
#[derive(Clone, Copy)]
enum Next {
    Nothing,
    Node(usize),
    /// Where its data begins.
    Data(usize),
}

/// A file of IPv4 networks of whole octets, none inside another.
pub fn file(networks: &[Network<'_>]) -> Vec<u8> {
    let mut data = Vec::new();
    // Per node what follows a 0 and a 1.
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
                Next::Nothing | Next::Data(_) => {
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
        let record = u32::try_from(record).expect("a small file");
        bytes.extend(&record.to_be_bytes()[1..]);
    }
    bytes.extend([0; 16]);
    bytes.extend(data);
    bytes.extend(b"\xab\xcd\xefMaxMind.com");
    let count = u32::try_from(count).expect("a small file");
    bytes.extend(map(&[
        ("binary_format_major_version", number(5, 2)),
        ("binary_format_minor_version", number(5, 0)),
        ("build_epoch", vec![0x04, 0x02, 0, 0, 0, 1]),
        ("database_type", text("Test-Country")),
        ("description", map(&[])),
        ("ip_version", number(5, 4)),
        ("languages", vec![0x00, 0x04]),
        ("node_count", number(6, count)),
        ("record_size", number(5, 24)),
    ]));
    bytes
}

fn text(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).expect("a short text");
    let mut bytes = vec![2 << 5 | length];
    bytes.extend(text.as_bytes());
    bytes
}

/// An unsigned number of type 5 (16 bits) or 6 (32 bits).
fn number(kind: u8, value: u32) -> Vec<u8> {
    let whole = value.to_be_bytes();
    let bytes: Vec<u8> = whole.into_iter().skip_while(|byte| *byte == 0).collect();
    let length = u8::try_from(bytes.len()).expect("four bytes at most");
    let mut number = vec![kind << 5 | length];
    number.extend(bytes);
    number
}

fn map(pairs: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let length = u8::try_from(pairs.len()).expect("a few pairs");
    let mut bytes = vec![7 << 5 | length];
    for (name, value) in pairs {
        bytes.extend(text(name));
        bytes.extend(value);
    }
    bytes
}
