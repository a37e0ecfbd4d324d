//! Zones in which the plugin `proxy-cache` keeps answers: `apisix.proxy_cache`.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};
use weir_plugin_api::outside::CacheZones;

use super::document::Section;
use super::size::Size;

const ZONE: &str = "{name, memory_size, disk_size, disk_path, cache_levels}, with a name of letters, \
                    digits, _ and - that no other zone has, and sizes such as 50m or 1G";
const TIME: &str = "a time such as 10s or 5m";

/// Where and how long answers are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    /// `cache_ttl`: life of an answer in a file that does not say how long it lives.
    pub ttl: Duration,
    /// `zones`.
    pub zones: Vec<Zone>,
}

/// One zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// `name`.
    pub name: String,
    /// `memory_size`, in bytes.
    pub memory: u64,
    /// With `disk_size` or `disk_path`, bodies are in files.
    pub disk: Option<Disk>,
}

/// Files of a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// `disk_path`; `None` is a folder in the data directory.
    pub folder: Option<PathBuf>,
    /// `disk_size`, in bytes.
    pub size: u64,
    /// `cache_levels`.
    pub levels: Vec<usize>,
}

impl Default for Cache {
    /// The zones of APISIX.
    fn default() -> Self {
        let disk = || Disk {
            folder: None,
            size: CacheZones::DISK,
            levels: vec![1, 2],
        };
        let zone = |name: &str, disk| Zone {
            name: name.to_owned(),
            memory: CacheZones::MEMORY,
            disk,
        };
        Self {
            ttl: CacheZones::TTL,
            zones: vec![
                zone("disk_cache_one", Some(disk())),
                zone("disk_cache_two", Some(disk())),
                zone("memory_cache", None),
            ],
        }
    }
}

/// Reads `proxy_cache` of the section `apisix`.
pub(super) fn read(apisix: &mut Section<'_>) -> Cache {
    let mut section = apisix.section("proxy_cache");
    let mut cache = Cache::default();
    if let Some(text) = section.text("cache_ttl") {
        match time(&text) {
            Some(ttl) => cache.ttl = ttl,
            None => section.refuse("cache_ttl", TIME, &Value::String(text)),
        }
    }
    let items = section.items("zones");
    if !items.is_empty() {
        cache.zones.clear();
    }
    for item in items {
        let zone = item.as_object().and_then(zone);
        match zone.filter(|zone| cache.zones.iter().all(|known| known.name != zone.name)) {
            Some(zone) => cache.zones.push(zone),
            None => section.refuse("zones", ZONE, &item),
        }
    }
    section.finish();
    cache
}

fn zone(fields: &Map<String, Value>) -> Option<Zone> {
    const KNOWN: [&str; 5] = [
        "name",
        "memory_size",
        "disk_size",
        "disk_path",
        "cache_levels",
    ];
    if !fields.keys().all(|name| KNOWN.contains(&name.as_str())) {
        return None;
    }
    let name = fields.get("name")?.as_str()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if name.is_empty() || !name.bytes().all(plain) {
        return None;
    }
    let size = |name: &str, usual: u64| match fields.get(name) {
        None => Some(usual),
        Some(value) => bytes(value),
    };
    let on_disk = fields.contains_key("disk_size") || fields.contains_key("disk_path");
    let disk = if on_disk {
        let folder = match fields.get("disk_path") {
            None => None,
            Some(path) => Some(PathBuf::from(path.as_str()?)),
        };
        Some(Disk {
            folder,
            size: size("disk_size", CacheZones::DISK)?,
            levels: match fields.get("cache_levels") {
                None => vec![1, 2],
                Some(levels) => self::levels(levels)?,
            },
        })
    } else {
        None
    };
    if disk.is_none() && fields.contains_key("cache_levels") {
        return None;
    }
    Some(Zone {
        name: name.to_owned(),
        memory: size("memory_size", CacheZones::MEMORY)?,
        disk,
    })
}

fn bytes(value: &Value) -> Option<u64> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let Size(bytes) = text.parse().ok()?;
    (bytes > 0).then_some(bytes)
}

/// `1:2` and the like: one to three levels of one or two characters, as in nginx.
fn levels(value: &Value) -> Option<Vec<usize>> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let levels: Option<Vec<usize>> = text
        .split(':')
        .map(|level| match level {
            "1" => Some(1),
            "2" => Some(2),
            _ => None,
        })
        .collect();
    levels.filter(|levels| levels.len() <= 3)
}

/// A time as nginx writes it, in one unit.
fn time(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    let unit = match text.get(digits.len()..)? {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "ms" => return Some(Duration::from_millis(number)),
        _ => return None,
    };
    Some(Duration::from_secs(number.checked_mul(unit)?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(value: Value) -> Option<Zone> {
        zone(value.as_object().unwrap())
    }

    #[test]
    fn zones_are_those_of_apisix() {
        let file = json!({"name": "d", "memory_size": "50m", "disk_size": "1G",
                          "disk_path": "/tmp/d", "cache_levels": "1:2"});
        let found = parse(file).unwrap();
        assert_eq!((found.name.as_str(), found.memory), ("d", 50 << 20));
        let disk = found.disk.unwrap();
        assert_eq!(disk.folder, Some(PathBuf::from("/tmp/d")));
        assert_eq!((disk.size, disk.levels), (1 << 30, vec![1, 2]));
        let memory = parse(json!({"name": "m", "memory_size": 1000})).unwrap();
        assert_eq!((memory.memory, memory.disk), (1000, None));
        assert_eq!(Cache::default().zones.len(), 3);
    }

    #[test]
    fn what_is_no_zone_is_refused() {
        for wrong in [
            json!({}),
            json!({"name": ""}),
            json!({"name": "../a"}),
            json!({"name": "a", "memory_size": "0"}),
            json!({"name": "a", "memory_size": "1t"}),
            json!({"name": "a", "disk_path": 1}),
            json!({"name": "a", "disk_size": "1g", "cache_levels": "3"}),
            json!({"name": "a", "disk_size": "1g", "cache_levels": "1:1:1:1"}),
            json!({"name": "a", "cache_levels": "1:2"}),
            json!({"name": "a", "size": "1g"}),
        ] {
            assert_eq!(parse(wrong.clone()), None, "{wrong}");
        }
    }

    #[test]
    fn times_have_one_unit() {
        for (text, expected) in [
            ("10s", Some(10_000)),
            ("10", Some(10_000)),
            ("5m", Some(300_000)),
            ("1h", Some(3_600_000)),
            ("1d", Some(86_400_000)),
            ("20ms", Some(20)),
            ("s", None),
            ("1w", None),
            ("", None),
            ("99999999999999999d", None),
        ] {
            let found = time(text).map(|time| time.as_millis());
            assert_eq!(found, expected, "{text:?}");
        }
    }
}
