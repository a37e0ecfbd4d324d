//! A template taken apart: text, and the words of the code in it.

/// One piece, and the line that it begins in.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) line: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// Text that is written as it is.
    Raw(String),
    /// `{{` or, as it is, `{*`.
    Open {
        escaped: bool,
    },
    /// `}}` or `*}`.
    Close,
    /// A name or a keyword.
    Name(String),
    Number(f64),
    Text(Vec<u8>),
    Symbol(&'static str),
    End,
}

/// Longest first.
const SYMBOLS: [&str; 26] = [
    "...", "..", "==", "~=", "<=", ">=", "<", ">", "=", "+", "-", "*", "/", "%", "^", "#", "(",
    ")", "{", "}", "[", "]", ";", ":", ",", ".",
];

impl Kind {
    /// As messages show it.
    pub(super) fn show(&self) -> String {
        match self {
            Kind::Raw(_) => "text outside of code".to_owned(),
            Kind::Open { escaped: true } => "'{{'".to_owned(),
            Kind::Open { escaped: false } => "'{*'".to_owned(),
            Kind::Close => "the end of the expression".to_owned(),
            Kind::Name(name) => format!("'{name}'"),
            Kind::Number(number) => format!("{number}"),
            Kind::Text(text) => format!("{:?}", String::from_utf8_lossy(text)),
            Kind::Symbol(symbol) => format!("'{symbol}'"),
            Kind::End => "the end of the template".to_owned(),
        }
    }
}

/// Takes a template apart.
///
/// # Errors
/// What is no piece of one, and in which line.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut pieces = Pieces {
        tokens: Vec::new(),
        line: 1,
    };
    let mut rest = text;
    let mut from = 0;
    while let Some(found) = find(rest, "{", from) {
        let tail = rest.get(found + 1..).unwrap_or_default();
        let kind = tail.chars().next();
        let close = match kind {
            Some('{') => "}}",
            Some('*') => "*}",
            Some('%') => "%}",
            Some('#') => "#}",
            Some('(') => ")}",
            _ => {
                from = found + 1;
                continue;
            }
        };
        let code = tail.get(1..).unwrap_or_default();
        let Some(end) = code.find(close) else {
            from = found + 1;
            continue;
        };
        let before = rest.get(..found).unwrap_or_default();
        // A backslash makes text of a tag, two of them make a backslash.
        if before.ends_with('\\') {
            pieces.raw(before.get(..found - 1).unwrap_or_default());
            if !before.ends_with("\\\\") {
                rest = rest.get(found..).unwrap_or_default();
                from = 1;
                continue;
            }
        } else if kind == Some('%') {
            pieces.raw(before.trim_end_matches([' ', '\t', '\u{b}', '\0']));
        } else {
            pieces.raw(before);
        }
        let code = code.get(..end).unwrap_or_default();
        let mut next = found + 2 + end + 2;
        match kind {
            Some('%') => pieces.code(code)?,
            Some('{') => pieces.output(code, true)?,
            Some('*') => pieces.output(code, false)?,
            Some('(') => {
                return Err(format!(
                    "line {}: '{{({code})}}' includes a file, which is not supported",
                    pieces.line
                ));
            }
            _ => pieces.count(code),
        }
        if matches!(kind, Some('%' | '#')) && rest.get(next..next + 1) == Some("\n") {
            next += 1;
            pieces.line += 1;
        }
        rest = rest.get(next..).unwrap_or_default();
        from = 0;
    }
    pieces.raw(rest);
    let line = pieces.line;
    pieces.tokens.push(Token {
        kind: Kind::End,
        line,
    });
    Ok(pieces.tokens)
}

fn find(text: &str, what: &str, from: usize) -> Option<usize> {
    Some(text.get(from..)?.find(what)? + from)
}

struct Pieces {
    tokens: Vec<Token>,
    line: u32,
}

impl Pieces {
    fn push(&mut self, kind: Kind) {
        let line = self.line;
        self.tokens.push(Token { kind, line });
    }

    fn raw(&mut self, text: &str) {
        if !text.is_empty() {
            self.push(Kind::Raw(text.to_owned()));
            self.count(text);
        }
    }

    fn count(&mut self, text: &str) {
        let lines = text.bytes().filter(|byte| *byte == b'\n').count();
        self.line = self
            .line
            .saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
    }

    fn output(&mut self, code: &str, escaped: bool) -> Result<(), String> {
        self.push(Kind::Open { escaped });
        self.code(code)?;
        self.push(Kind::Close);
        Ok(())
    }

    fn code(&mut self, code: &str) -> Result<(), String> {
        let mut rest = code;
        while let Some(first) = rest.chars().next() {
            let taken = if first.is_whitespace() {
                self.line += u32::from(first == '\n');
                first.len_utf8()
            } else if rest.starts_with("--") {
                self.comment(rest)?
            } else if first.is_ascii_alphabetic() || first == '_' {
                let end = rest
                    .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                    .unwrap_or(rest.len());
                self.push(Kind::Name(rest.get(..end).unwrap_or_default().to_owned()));
                end
            } else if starts_number(rest) {
                self.number(rest)?
            } else if matches!(first, '"' | '\'') {
                self.quoted(rest, first)?
            } else if let Some(length) = long_bracket(rest) {
                let inner = rest.get(2..length - 2).unwrap_or_default();
                let text = inner.strip_prefix('\n').unwrap_or(inner);
                self.push(Kind::Text(text.as_bytes().to_vec()));
                self.count(inner);
                length
            } else {
                let symbol = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol));
                let symbol =
                    symbol.ok_or_else(|| format!("line {}: unexpected {first:?}", self.line))?;
                self.push(Kind::Symbol(symbol));
                symbol.len()
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    fn comment(&mut self, rest: &str) -> Result<usize, String> {
        let behind = rest.get(2..).unwrap_or_default();
        if let Some(length) = long_bracket(behind) {
            self.count(behind.get(..length).unwrap_or_default());
            return Ok(length + 2);
        }
        if behind.starts_with("[[") {
            return Err(format!("line {}: the comment has no end", self.line));
        }
        Ok(rest.find('\n').unwrap_or(rest.len()))
    }

    fn number(&mut self, rest: &str) -> Result<usize, String> {
        let hex = rest.starts_with("0x") || rest.starts_with("0X");
        let mut end = 0;
        let mut previous = ' ';
        for (at, c) in rest.char_indices() {
            let exponent = !hex && matches!(previous, 'e' | 'E') && matches!(c, '+' | '-');
            // Two dots are the operator behind it.
            let dots = rest.get(at..).is_some_and(|tail| tail.starts_with(".."));
            if dots || !(c.is_ascii_alphanumeric() || c == '.' || exponent) {
                break;
            }
            end = at + c.len_utf8();
            previous = c;
        }
        let text = rest.get(..end).unwrap_or_default();
        let number = weir_model::field::number::parse(text);
        let number = number.ok_or_else(|| format!("line {}: {text:?} is no number", self.line))?;
        self.push(Kind::Number(number));
        Ok(end)
    }

    fn quoted(&mut self, rest: &str, quote: char) -> Result<usize, String> {
        let unfinished = || format!("line {}: the text has no closing {quote}", self.line);
        let mut text = Vec::new();
        let mut chars = rest.char_indices().skip(1).peekable();
        while let Some((at, c)) = chars.next() {
            match c {
                c if c == quote => {
                    self.push(Kind::Text(text));
                    return Ok(at + 1);
                }
                '\n' => break,
                '\\' => {
                    let (_, escaped) = chars.next().ok_or_else(unfinished)?;
                    match escaped {
                        'n' => text.push(b'\n'),
                        't' => text.push(b'\t'),
                        'r' => text.push(b'\r'),
                        'a' => text.push(7),
                        'b' => text.push(8),
                        'f' => text.push(12),
                        'v' => text.push(11),
                        '\\' | '"' | '\'' => text.push(escaped as u8),
                        digit if digit.is_ascii_digit() => {
                            let mut code = digit.to_digit(10).unwrap_or(0);
                            for _ in 0..2 {
                                let next = chars.peek().and_then(|(_, c)| c.to_digit(10));
                                let Some(next) = next else { break };
                                code = code * 10 + next;
                                chars.next();
                            }
                            let byte = u8::try_from(code)
                                .map_err(|_| format!("line {}: \\{code} is no byte", self.line))?;
                            text.push(byte);
                        }
                        other => {
                            return Err(format!("line {}: unknown escape \\{other}", self.line));
                        }
                    }
                }
                c => text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        Err(unfinished())
    }
}

fn starts_number(text: &str) -> bool {
    let digits = text.strip_prefix('.').unwrap_or(text);
    digits.starts_with(|c: char| c.is_ascii_digit())
}

/// Length of `[[...]]` at the start of a text.
fn long_bracket(text: &str) -> Option<usize> {
    let inner = text.strip_prefix("[[")?;
    Some(inner.find("]]")? + 4)
}
