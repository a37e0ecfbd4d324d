//! One JSON object on one line, written field by field without building a tree.

use std::fmt::Write;

/// An object that is being written; the names of fields are not escaped.
pub struct Line<'a> {
    out: &'a mut String,
    first: bool,
}

impl<'a> Line<'a> {
    /// Begins an object at the end of `out`.
    #[must_use]
    pub fn begin(out: &'a mut String) -> Self {
        out.push('{');
        Self { out, first: true }
    }

    /// Ends the object and the line.
    pub fn end(self) {
        self.out.push_str("}\n");
    }

    /// A list of objects, each written by `write`.
    pub fn objects<T>(
        &mut self,
        name: &str,
        items: impl Iterator<Item = T>,
        mut write: impl FnMut(&mut Line<'_>, T),
    ) {
        self.name(name);
        self.out.push('[');
        for (position, item) in items.enumerate() {
            if position > 0 {
                self.out.push(',');
            }
            let mut object = Line::begin(self.out);
            write(&mut object, item);
            self.out.push('}');
        }
        self.out.push(']');
    }

    /// A text.
    pub fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        escape(value, self.out);
    }

    /// A text, left out when it is empty.
    pub fn some_text(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.text(name, value);
        }
    }

    /// Anything whose text form is valid JSON: a number, a boolean.
    pub fn plain(&mut self, name: &str, value: impl std::fmt::Display) {
        self.name(name);
        // Writing into memory cannot fail.
        let _ = write!(self.out, "{value}");
    }

    /// Something whose text form needs quotes but no escapes: an address, a time.
    pub fn quoted(&mut self, name: &str, value: impl std::fmt::Display) {
        self.name(name);
        let _ = write!(self.out, "\"{value}\"");
    }

    /// Milliseconds with three decimals.
    pub fn milliseconds(&mut self, name: &str, value: std::time::Duration) {
        let micros = value.as_micros();
        self.name(name);
        let _ = write!(self.out, "{}.{:03}", micros / 1000, micros % 1000);
    }

    fn name(&mut self, name: &str) {
        if !self.first {
            self.out.push(',');
        }
        self.first = false;
        self.out.push('"');
        self.out.push_str(name);
        self.out.push_str("\":");
    }
}

fn escape(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c == '"' || c == '\\' || c.is_control()) {
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        let mut characters = special.chars();
        match characters.next() {
            Some('"') => out.push_str("\\\""),
            Some('\\') => out.push_str("\\\\"),
            Some('\n') => out.push_str("\\n"),
            Some(other) => {
                let _ = write!(out, "\\u{:04x}", u32::from(other));
            }
            None => {}
        }
        rest = characters.as_str();
    }
    out.push_str(rest);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    #[test]
    fn fields_stand_in_order() {
        let mut out = String::new();
        let mut line = Line::begin(&mut out);
        line.text("a", "x\"\n");
        line.some_text("b", "");
        line.plain("c", 3);
        line.milliseconds("d", Duration::from_micros(1_050));
        line.objects("e", 1..3, |line, item| line.plain("f", item));
        line.end();
        assert_eq!(
            out,
            "{\"a\":\"x\\\"\\n\",\"c\":3,\"d\":1.050,\"e\":[{\"f\":1},{\"f\":2}]}\n"
        );
    }

    proptest! {
        #[test]
        fn any_text_reads_back(text in any::<String>()) {
            let mut out = String::new();
            let mut line = Line::begin(&mut out);
            line.text("a", &text);
            line.end();
            let value: serde_json::Value = serde_json::from_str(&out).unwrap();
            prop_assert_eq!(value.get("a").and_then(|a| a.as_str()), Some(text.as_str()));
        }
    }
}
