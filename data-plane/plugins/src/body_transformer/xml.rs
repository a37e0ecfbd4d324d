//! XML as templates see it: as xml2lua, which APISIX uses, makes tables of it.
//!
//! An element that holds a text only is that text; one with attributes or elements in it is an object:
//! attributes under `_attr`, texts at `1`, `2` and so on, elements under their names, as a list when
//! a name repeats. Namespaces are dropped, and an empty element is an empty text.
//!
//! Entities other than the five of XML are refused, and documents that define some: nothing is
//! expanded, nothing is fetched. Depth and number of elements are bounded.

use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};

use crate::json::MAX_VALUES;
use crate::template::{Fields, Value};

/// Deepest nesting of elements.
const MAX_DEPTH: usize = 128;

/// Reads a document.
///
/// # Errors
/// It is no XML, or more of it than is read.
pub(super) fn parse(body: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(body).map_err(|_| "Error Parsing XML: it is not UTF-8")?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader::from_str(text);
    let mut tree = Tree {
        open: vec![Element::default()],
        values: 0,
        seen_root: false,
    };
    loop {
        let place = reader.buffer_position();
        let event = reader.read_event();
        let event = event.map_err(|error| error.to_string());
        match event.and_then(|event| tree.take(&event)) {
            Ok(true) => {}
            Ok(false) => break,
            Err(reason) => return Err(format!("Error Parsing XML at byte {place}: {reason}")),
        }
    }
    match tree.open.pop() {
        Some(root) if tree.open.is_empty() && tree.seen_root => Ok(Value::object(root.children)),
        _ => Err("Error Parsing XML: it has no element, or one that is not closed".to_owned()),
    }
}

struct Tree {
    /// Elements that are open, below them the document.
    open: Vec<Element>,
    values: usize,
    seen_root: bool,
}

#[derive(Default)]
struct Element {
    name: Box<str>,
    attributes: Fields,
    children: Fields,
    texts: Vec<String>,
    /// The text that is being read; up to `fixed`, white space at its end counts.
    text: String,
    fixed: usize,
}

impl Tree {
    /// Takes one event; whether there are more.
    fn take(&mut self, event: &Event<'_>) -> Result<bool, String> {
        match event {
            Event::Start(start) => self.start(start)?,
            Event::Empty(start) => {
                self.start(start)?;
                self.end()?;
            }
            Event::End(_) => self.end()?,
            Event::Text(text) => self.text(&text.xml10_content())?,
            Event::CData(data) => {
                self.flush()?;
                let text = data.xml10_content();
                if !text.trim().is_empty() {
                    self.count()?;
                    self.inner()?.texts.push(text.into_owned());
                }
            }
            Event::GeneralRef(reference) => {
                let c = resolved(reference)?;
                let element = self.inner()?;
                element.text.push(c);
                element.fixed = element.text.len();
            }
            Event::Comment(_) | Event::PI(_) => self.flush()?,
            Event::Decl(_) => {}
            Event::DocType(_) => return Err("document types are not supported".to_owned()),
            Event::Eof => {
                self.flush()?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn inner(&mut self) -> Result<&mut Element, String> {
        self.open
            .last_mut()
            .ok_or_else(|| "more ends than elements".to_owned())
    }

    fn count(&mut self) -> Result<(), String> {
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(format!("it holds more than {MAX_VALUES} values"));
        }
        Ok(())
    }

    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), String> {
        self.flush()?;
        self.count()?;
        if self.open.len() > MAX_DEPTH {
            return Err(format!("nested deeper than {MAX_DEPTH} levels"));
        }
        if self.open.len() == 1 && std::mem::replace(&mut self.seen_root, true) {
            return Err("more than one element at the top".to_owned());
        }
        let mut element = Element {
            name: local(start.name().as_ref()).into(),
            ..Element::default()
        };
        for attribute in start.attributes() {
            self.count()?;
            let attribute = attribute.map_err(|error| error.to_string())?;
            let name = local(attribute.key.as_ref()).to_ascii_lowercase();
            let value = unescaped(&attribute.value)?;
            element
                .attributes
                .insert(name.into_boxed_str(), Value::text(value));
        }
        self.open.push(element);
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        self.flush()?;
        let element = self.open.pop().ok_or("more ends than elements")?;
        let parent = self.inner()?;
        let (name, value) = element.close();
        match parent.children.get_mut(&name) {
            None => _ = parent.children.insert(name, value),
            Some(Value::List(items)) => std::sync::Arc::make_mut(items).push(value),
            Some(first) => *first = Value::list(vec![std::mem::take(first), value]),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), String> {
        let at_top = self.open.len() == 1;
        if at_top && !text.trim().is_empty() {
            return Err("text outside of the document's element".to_owned());
        }
        let element = self.inner()?;
        let text = if element.text.is_empty() {
            text.trim_start()
        } else {
            text
        };
        element.text.push_str(text);
        Ok(())
    }

    /// Ends the text that is being read.
    fn flush(&mut self) -> Result<(), String> {
        let element = self.inner()?;
        let end = element.text.trim_end().len().max(element.fixed);
        element.text.truncate(end);
        element.fixed = 0;
        if element.text.is_empty() {
            return Ok(());
        }
        let text = std::mem::take(&mut element.text);
        element.texts.push(text);
        self.count()
    }
}

impl Element {
    fn close(self) -> (Box<str>, Value) {
        let Self {
            name,
            attributes,
            children,
            mut texts,
            ..
        } = self;
        if attributes.is_empty() && texts.len() == 1 {
            // Elements beside a single text are dropped, as xml2lua does.
            return (name, texts.pop().map_or(Value::Nil, Value::text));
        }
        if attributes.is_empty() && children.is_empty() && texts.is_empty() {
            return (name, Value::text(""));
        }
        let mut fields = Fields::new();
        if !attributes.is_empty() {
            fields.insert("_attr".into(), Value::object(attributes));
        }
        for (index, text) in texts.into_iter().enumerate() {
            fields.insert((index + 1).to_string().into(), Value::text(text));
        }
        fields.extend(children);
        (name, Value::object(fields))
    }
}

/// A name without its namespace.
fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

fn resolved(reference: &BytesRef<'_>) -> Result<char, String> {
    let character = reference.resolve_char_ref();
    if let Some(c) = character.map_err(|error| error.to_string())? {
        return Ok(c);
    }
    predefined(reference).ok_or_else(|| format!("unknown entity &{};", &**reference))
}

fn predefined(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => return None,
    })
}

/// The value of an attribute.
fn unescaped(text: &str) -> Result<String, String> {
    let unescaped = quick_xml::escape::unescape(text).map_err(|error| error.to_string())?;
    Ok(unescaped.into_owned())
}
