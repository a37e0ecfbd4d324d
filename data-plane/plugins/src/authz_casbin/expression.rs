//! The language of matchers, as it is written.

/// Deepest nesting of parentheses and negations.
const MAX_DEPTH: usize = 32;

/// A matcher, or a part of one.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    Any(Vec<Self>),
    All(Vec<Self>),
    Not(Box<Self>),
    Equal(Box<Self>, Box<Self>),
    In(Box<Self>, Vec<Self>),
    Call(String, Vec<Self>),
    /// `r.NAME`
    Request(String),
    /// `p.NAME`
    Policy(String),
    Text(String),
    Number(f64),
    Bool(bool),
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Number(f64),
    Sign(&'static str),
}

/// Longer ones first.
const SIGNS: [&str; 12] = [
    "&&", "||", "==", "!=", "~=", "<>", "!", "(", ")", "[", "]", ",",
];

impl Expression {
    /// Reads a matcher.
    ///
    /// # Errors
    /// What is not understood, and where.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser {
            tokens: tokens(text)?,
            next: 0,
            depth: 0,
        };
        let expression = parser.any()?;
        match parser.peek() {
            None => Ok(expression),
            Some(_) => Err(parser.unexpected("&&, || or the end")),
        }
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
        let taken = if let Some(sign) = sign {
            tokens.push(Token::Sign(sign));
            sign.len()
        } else if matches!(first, '"' | '\'') {
            let inner = rest.get(1..).unwrap_or_default();
            let end = inner
                .find(first)
                .ok_or_else(|| format!("no end of the text {rest}"))?;
            tokens.push(Token::Text(inner.get(..end).unwrap_or_default().to_owned()));
            end + 2
        } else {
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.')));
            let word = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
            if word.is_empty() {
                return Err(format!(
                    "{first:?} is not supported; there are &&, ||, !, ==, !=, in and functions"
                ));
            }
            tokens.push(match word.parse() {
                Ok(number) if first.is_ascii_digit() => Token::Number(number),
                _ => Token::Word(word.to_owned()),
            });
            word.len()
        };
        rest = rest.get(taken..).unwrap_or_default().trim_start();
    }
    Ok(tokens)
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next)
    }

    /// Takes the next token when it is one of these signs or words.
    fn takes(&mut self, any: &[&str]) -> Option<&'static str> {
        let found = match self.peek()? {
            Token::Sign(sign) => any.contains(sign).then_some(*sign),
            Token::Word(word) => any.contains(&word.as_str()).then_some(""),
            _ => None,
        };
        self.next += usize::from(found.is_some());
        found
    }

    fn needs(&mut self, sign: &'static str) -> Result<(), String> {
        self.takes(&[sign])
            .map(drop)
            .ok_or_else(|| self.unexpected(sign))
    }

    fn unexpected(&self, expected: &str) -> String {
        let got = match self.peek() {
            None => "the end".to_owned(),
            Some(Token::Word(text)) => text.clone(),
            Some(Token::Text(text)) => format!("{text:?}"),
            Some(Token::Number(number)) => number.to_string(),
            Some(Token::Sign(sign)) => (*sign).to_owned(),
        };
        format!("expected {expected}, got {got}")
    }

    fn any(&mut self) -> Result<Expression, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("nested deeper than {MAX_DEPTH} levels"));
        }
        let found = self.list(&["||", "or"], Self::all, Expression::Any);
        self.depth -= 1;
        found
    }

    fn all(&mut self) -> Result<Expression, String> {
        self.list(&["&&", "and"], Self::comparison, Expression::All)
    }

    fn list(
        &mut self,
        between: &[&str],
        part: fn(&mut Self) -> Result<Expression, String>,
        make: fn(Vec<Expression>) -> Expression,
    ) -> Result<Expression, String> {
        let first = part(self)?;
        let mut parts = vec![first];
        while self.takes(between).is_some() {
            parts.push(part(self)?);
        }
        match parts.pop() {
            Some(only) if parts.is_empty() => Ok(only),
            last => {
                parts.extend(last);
                Ok(make(parts))
            }
        }
    }

    fn comparison(&mut self) -> Result<Expression, String> {
        let left = self.negation()?;
        if let Some(sign) = self.takes(&["==", "!=", "~=", "<>"]) {
            let right = self.negation()?;
            let equal = Expression::Equal(Box::new(left), Box::new(right));
            return Ok(match sign {
                "==" => equal,
                _ => Expression::Not(Box::new(equal)),
            });
        }
        if self.takes(&["in"]).is_some() {
            let end = match self.takes(&["(", "["]) {
                Some("(") => ")",
                Some(_) => "]",
                None => return Err(self.unexpected("a list in parentheses")),
            };
            return Ok(Expression::In(Box::new(left), self.items(end)?));
        }
        Ok(left)
    }

    /// What stands between commas up to `end`.
    fn items(&mut self, end: &'static str) -> Result<Vec<Expression>, String> {
        let mut items = Vec::new();
        if self.takes(&[end]).is_some() {
            return Ok(items);
        }
        loop {
            items.push(self.any()?);
            if self.takes(&[","]).is_none() {
                self.needs(end)?;
                return Ok(items);
            }
        }
    }

    fn negation(&mut self) -> Result<Expression, String> {
        let mut negated = false;
        while self.takes(&["!", "not"]).is_some() {
            negated = !negated;
        }
        let value = self.value()?;
        Ok(match negated {
            true => Expression::Not(Box::new(value)),
            false => value,
        })
    }

    fn value(&mut self) -> Result<Expression, String> {
        if self.takes(&["("]).is_some() {
            let inner = self.any()?;
            self.needs(")")?;
            return Ok(inner);
        }
        let Some(Token::Word(_) | Token::Text(_) | Token::Number(_)) = self.peek() else {
            return Err(self.unexpected("a value"));
        };
        let token = self.tokens.get(self.next).cloned();
        self.next += 1;
        match token {
            Some(Token::Text(text)) => Ok(Expression::Text(text)),
            Some(Token::Number(number)) => Ok(Expression::Number(number)),
            Some(Token::Word(word)) if self.takes(&["("]).is_some() => {
                Ok(Expression::Call(word, self.items(")")?))
            }
            Some(Token::Word(word)) => named(&word),
            _ => Err(self.unexpected("a value")),
        }
    }
}

fn named(word: &str) -> Result<Expression, String> {
    match word {
        "true" => return Ok(Expression::Bool(true)),
        "false" => return Ok(Expression::Bool(false)),
        _ => {}
    }
    let of = |letter: &str| {
        let rest = word.strip_prefix(letter)?;
        rest.strip_prefix(['.', '_']).map(str::to_owned)
    };
    match (of("r"), of("p")) {
        (Some(name), _) => Ok(Expression::Request(name)),
        (_, Some(name)) => Ok(Expression::Policy(name)),
        _ => Err(format!("unknown name {word}, expected r.NAME or p.NAME")),
    }
}
