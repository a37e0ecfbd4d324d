//! Taking the values at a path out of a document while it is read.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};

use super::{BodyPath, Step};

/// Values that one path finds at most; a document that has more of them has none for us.
pub const MAX_FOUND: usize = 10_000;

/// The path of a list's own items.
static ITEMS: BodyPath = BodyPath {
    steps: Vec::new(),
    many: true,
};

/// The text is not a JSON document, or says more than is looked at.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoJson(String);

impl BodyPath {
    /// The value at the path in a JSON text; `None` when there is none. A list of values when the
    /// path has brackets, `*` or `..` in it.
    ///
    /// Inside lists, objects and further lists are null: nothing can be equal to them.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn in_json(&self, text: &[u8]) -> Result<Option<Value>, NoJson> {
        let mut reader = serde_json::Deserializer::from_slice(text);
        let found = self
            .of(&mut reader)
            .map_err(|error| NoJson(error.to_string()))?;
        reader.end().map_err(|error| NoJson(error.to_string()))?;
        Ok(found)
    }

    /// The value at the path in a document that is there already.
    #[must_use]
    pub fn in_value(&self, document: &Value) -> Option<Value> {
        self.of(document).ok().flatten()
    }

    fn of<'de, D: Deserializer<'de>>(&self, document: D) -> Result<Option<Value>, D::Error> {
        let mut found = Vec::new();
        Walk {
            path: self,
            at: 1,
            found: &mut found,
        }
        .deserialize(document)?;
        Ok(if !self.many {
            found.pop()
        } else if found.is_empty() {
            None
        } else {
            Some(Value::Array(found))
        })
    }

    /// The places of a child: bit `n` means that the first `n` steps lead to it.
    fn child(&self, at: u64, fits: impl Fn(&Step) -> bool) -> u64 {
        let mut places = 0;
        for (place, step) in self.steps.iter().enumerate() {
            if at & (1 << place) == 0 {
                continue;
            }
            if *step == Step::Deep {
                places |= 1 << place;
            } else if fits(step) {
                places |= 1 << (place + 1);
            }
        }
        places
    }

    /// The places of a value, with those that no level leads to.
    fn here(&self, at: u64) -> u64 {
        let mut places = at;
        for (place, step) in self.steps.iter().enumerate() {
            if *step == Step::Deep && places & (1 << place) != 0 {
                places |= 1 << (place + 1);
            }
        }
        places
    }
}

/// One value of the document.
struct Walk<'p> {
    path: &'p BodyPath,
    at: u64,
    found: &'p mut Vec<Value>,
}

impl Walk<'_> {
    fn is_wanted(&self) -> bool {
        self.at & (1 << self.path.steps.len()) != 0
    }

    fn keep<E: Error>(self, value: impl Into<Value>) -> Result<(), E> {
        if self.is_wanted() {
            keep(self.found, value.into())?;
        }
        Ok(())
    }
}

fn keep<E: Error>(found: &mut Vec<Value>, value: Value) -> Result<(), E> {
    if found.len() >= MAX_FOUND {
        return Err(E::custom(format!(
            "more than {MAX_FOUND} values at the path"
        )));
    }
    found.push(value);
    Ok(())
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(mut self, value: D) -> Result<(), D::Error> {
        self.at = self.path.here(self.at);
        if self.at == 0 {
            return value.deserialize_ignored_any(IgnoredAny).map(drop);
        }
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.keep(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.keep(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.keep(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.keep(value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.keep(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.keep(value)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let wanted = self.is_wanted();
        let Walk { path, at, found } = self;
        if wanted {
            keep(found, Value::Object(serde_json::Map::new()))?;
        }
        while let Some(places) = map.next_key_seed(Member { path, at })? {
            if !path.many && places != 0 {
                // Of a name that stands twice the last value counts.
                found.clear();
            }
            let child = Walk {
                path,
                at: places,
                found: &mut *found,
            };
            map.next_value_seed(child)?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let wanted = self.is_wanted();
        let Walk { path, at, found } = self;
        if wanted && !path.many {
            // A list at the end of a plain path: its items are what `has` looks at.
            let mut list = Vec::new();
            loop {
                let item = Walk {
                    path: &ITEMS,
                    at: 1,
                    found: &mut list,
                };
                if items.next_element_seed(item)?.is_none() {
                    return keep(found, Value::Array(list));
                }
            }
        }
        if wanted {
            keep(found, Value::Null)?;
        }
        let mut index = 0;
        loop {
            let fits = |step: &Step| *step == Step::Any || *step == Step::Index(index);
            let child = Walk {
                path,
                at: path.child(at, fits),
                found: &mut *found,
            };
            if items.next_element_seed(child)?.is_none() {
                return Ok(());
            }
            index += 1;
        }
    }
}

/// The name of a member: where it leads to.
struct Member<'p> {
    path: &'p BodyPath,
    at: u64,
}

impl<'de> DeserializeSeed<'de> for Member<'_> {
    type Value = u64;

    fn deserialize<D: Deserializer<'de>>(self, name: D) -> Result<u64, D::Error> {
        name.deserialize_str(self)
    }
}

impl Visitor<'_> for Member<'_> {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<u64, E> {
        let fits = |step: &Step| match step {
            Step::Any => true,
            Step::Name(wanted) => **wanted == *name,
            Step::Index(_) | Step::Deep => false,
        };
        Ok(self.path.child(self.at, fits))
    }
}
