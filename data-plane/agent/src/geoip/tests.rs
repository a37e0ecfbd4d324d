use std::path::PathBuf;

use super::*;

#[path = "../../../../tests/src/mmdb.rs"]
#[expect(unreachable_pub, reason = "a tool of the end-to-end tests")]
mod mmdb;

/// A folder with a file that knows where 192.0.2.0/24 and 10.0.0.0/8 are.
fn known(country: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.mmdb");
    std::fs::write(&path, content(country)).unwrap();
    (folder, path)
}

fn content(country: &str) -> Vec<u8> {
    let networks: [mmdb::Network<'_>; 2] =
        [(&[192, 0, 2], "EU", Some(country)), (&[10], "AN", None)];
    mmdb::file(&networks)
}

fn country(file: &GeoFile) -> Option<String> {
    file.of("192.0.2.77".parse().unwrap())?.country
}

#[test]
fn addresses_have_a_country_and_a_continent() {
    let (_folder, path) = known("DE");
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

#[test]
fn another_file_is_taken_when_it_has_settled_and_can_be_used() {
    let (folder, path) = known("DE");
    let file = GeoFile::open(&path).unwrap();
    let put = |content: &[u8]| {
        let new = folder.path().join("new");
        std::fs::write(&new, content).unwrap();
        std::fs::rename(&new, &path).unwrap();
    };
    put(&content("FR"));
    file.look_again();
    assert_eq!(
        country(&file).as_deref(),
        Some("DE"),
        "it may be half written"
    );
    file.look_again();
    assert_eq!(country(&file).as_deref(), Some("FR"));
    let whole = content("IT");
    put(&whole[..whole.len() / 2]);
    file.look_again();
    file.look_again();
    assert_eq!(country(&file).as_deref(), Some("FR"), "it is torn");
    std::fs::remove_file(&path).unwrap();
    file.look_again();
    file.look_again();
    assert_eq!(country(&file).as_deref(), Some("FR"), "it is gone");
    put(&whole);
    file.look_again();
    file.look_again();
    assert_eq!(country(&file).as_deref(), Some("IT"));
}
