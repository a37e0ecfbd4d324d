//! Statements: the part of Lua that templates may use.

use super::Template;
use super::ast::{Escape, Expression, Kind as Does, Statement};
use super::function::Module;
use super::token::{Kind, Token, tokens};

/// Deepest nesting of blocks.
const MAX_BLOCKS: usize = 32;
/// Local variables that may be alive at a time.
const MAX_LOCALS: usize = 200;

/// # Errors
/// What in the template cannot run, and in which line.
pub(super) fn template(text: &str) -> Result<Template, String> {
    let mut parser = Parser {
        tokens: tokens(text)?.into_iter().peekable(),
        line: 1,
        names: Vec::new(),
        locals: 0,
        most_locals: 0,
        blocks: 0,
        loops: 0,
        budget: 0,
        depth: 0,
    };
    let parsed = parser.block(&[]);
    let parsed = parsed.and_then(|body| match parser.peek() {
        Kind::End => Ok(body),
        other => Err(format!("unexpected {}", other.show())),
    });
    match parsed {
        Ok(body) => Ok(Template {
            body,
            locals: parser.most_locals,
        }),
        Err(reason) => Err(format!("line {}: {reason}", parser.line)),
    }
}

/// What a name stands for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Binding {
    Local(usize),
    Module(Module),
}

pub(super) struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    /// Line of the piece that was looked at last.
    line: u32,
    names: Vec<(String, Binding)>,
    locals: usize,
    most_locals: usize,
    blocks: usize,
    loops: usize,
    /// Pieces that the expression may still have.
    pub(super) budget: usize,
    /// Brackets around what is read.
    pub(super) depth: usize,
}

impl Parser {
    pub(super) fn peek(&mut self) -> Kind {
        match self.tokens.peek() {
            Some(token) => {
                self.line = token.line;
                token.kind.clone()
            }
            None => Kind::End,
        }
    }

    pub(super) fn next(&mut self) -> Kind {
        match self.tokens.next() {
            Some(token) => {
                self.line = token.line;
                token.kind
            }
            None => Kind::End,
        }
    }

    /// Takes the next piece if it is this symbol.
    pub(super) fn takes(&mut self, symbol: &str) -> bool {
        let there = matches!(self.tokens.peek(), Some(Token { kind: Kind::Symbol(found), .. }) if *found == symbol);
        if there {
            self.next();
        }
        there
    }

    pub(super) fn takes_word(&mut self, word: &str) -> bool {
        let there = matches!(self.tokens.peek(), Some(Token { kind: Kind::Name(found), .. }) if found == word);
        if there {
            self.next();
        }
        there
    }

    pub(super) fn expect(&mut self, symbol: &str) -> Result<(), String> {
        if self.takes(symbol) {
            return Ok(());
        }
        Err(format!("expected '{symbol}', got {}", self.peek().show()))
    }

    fn expect_word(&mut self, word: &str) -> Result<(), String> {
        if self.takes_word(word) {
            return Ok(());
        }
        Err(format!("expected '{word}', got {}", self.peek().show()))
    }

    fn name(&mut self) -> Result<String, String> {
        match self.next() {
            Kind::Name(name) if !is_keyword(&name) => Ok(name),
            other => Err(format!("expected a name, got {}", other.show())),
        }
    }

    pub(super) fn binding(&self, name: &str) -> Option<Binding> {
        let mut names = self.names.iter().rev();
        names
            .find(|(known, _)| known == name)
            .map(|(_, binding)| *binding)
    }

    fn declare(&mut self, name: String) -> Result<usize, String> {
        let slot = self.locals;
        if slot >= MAX_LOCALS {
            return Err(format!("more than {MAX_LOCALS} local variables"));
        }
        self.locals += 1;
        self.most_locals = self.most_locals.max(self.locals);
        self.names.push((name, Binding::Local(slot)));
        Ok(slot)
    }

    /// Statements up to one of these words, which stays.
    fn block(&mut self, ends: &[&str]) -> Result<Vec<Statement>, String> {
        if self.blocks >= MAX_BLOCKS {
            return Err(format!("blocks are nested deeper than {MAX_BLOCKS} levels"));
        }
        self.blocks += 1;
        let (names, locals) = (self.names.len(), self.locals);
        let mut statements = Vec::new();
        loop {
            match self.peek() {
                Kind::End => break,
                Kind::Name(name) if ends.contains(&name.as_str()) => break,
                _ => {}
            }
            if self.takes(";") {
                continue;
            }
            let line = self.line;
            if let Some(kind) = self.statement()? {
                statements.push(Statement { line, kind });
            }
        }
        self.names.truncate(names);
        self.locals = locals;
        self.blocks -= 1;
        Ok(statements)
    }

    fn statement(&mut self) -> Result<Option<Does>, String> {
        match self.peek() {
            Kind::Raw(text) => {
                self.next();
                Ok(Some(Does::Raw(text.into_boxed_str())))
            }
            Kind::Open { escaped } => {
                self.next();
                let value = self.expression()?;
                match self.next() {
                    Kind::Close => {}
                    other => {
                        return Err(format!(
                            "expected the end of the expression, got {}",
                            other.show()
                        ));
                    }
                }
                let escape = match (escaped, &value) {
                    (false, _) => Escape::None,
                    (true, value) if value.returns_two() => Escape::Braces,
                    (true, _) => Escape::Html,
                };
                Ok(Some(Does::Output { value, escape }))
            }
            Kind::Name(name) => self.worded(&name),
            other => Err(format!("expected a statement, got {}", other.show())),
        }
    }

    fn worded(&mut self, word: &str) -> Result<Option<Does>, String> {
        match word {
            "local" => self.local(),
            "if" => self.condition().map(Some),
            "for" => self.repetition().map(Some),
            "break" if self.loops > 0 => {
                self.next();
                Ok(Some(Does::Break))
            }
            "break" => Err("'break' stands outside of a loop".to_owned()),
            word if is_keyword(word) => Err(format!("'{word}' is not supported here")),
            _ => self.assignment_or_call().map(Some),
        }
    }

    fn local(&mut self) -> Result<Option<Does>, String> {
        self.next();
        let name = self.name()?;
        if self.takes(",") {
            return Err("'local' takes one name".to_owned());
        }
        let value = if self.takes("=") {
            self.expression()?
        } else {
            Expression::Nil
        };
        if let Expression::Module(module) = value {
            self.names.push((name, Binding::Module(module)));
            return Ok(None);
        }
        let slot = self.declare(name)?;
        Ok(Some(Does::Set { slot, value }))
    }

    fn assignment_or_call(&mut self) -> Result<Does, String> {
        let value = self.expression()?;
        if !self.takes("=") {
            return match value {
                Expression::Call(..) | Expression::Method(..) | Expression::Gsub(..) => {
                    Ok(Does::Call(value))
                }
                _ => Err(format!(
                    "an expression is no statement, before {}",
                    self.peek().show()
                )),
            };
        }
        let Expression::Local(slot, _) = value else {
            return Err("only local variables can be changed".to_owned());
        };
        let value = self.expression()?;
        Ok(Does::Set { slot, value })
    }

    fn condition(&mut self) -> Result<Does, String> {
        let mut arms = Vec::new();
        let mut otherwise = Vec::new();
        loop {
            self.next();
            let condition = self.expression()?;
            self.expect_word("then")?;
            let body = self.block(&["elseif", "else", "end"])?;
            arms.push((condition, body));
            match self.peek() {
                Kind::Name(word) if word == "elseif" => {}
                _ => break,
            }
        }
        if self.takes_word("else") {
            otherwise = self.block(&["end"])?;
        }
        self.expect_word("end")?;
        Ok(Does::If { arms, otherwise })
    }

    fn repetition(&mut self) -> Result<Does, String> {
        self.next();
        let first = self.name()?;
        if self.takes("=") {
            return self.counting(first);
        }
        let second = if self.takes(",") {
            Some(self.name()?)
        } else {
            None
        };
        self.expect_word("in")?;
        let numbered = match self.next() {
            Kind::Name(name) if name == "ipairs" => true,
            Kind::Name(name) if name == "pairs" => false,
            other => {
                return Err(format!(
                    "expected 'pairs' or 'ipairs', got {}",
                    other.show()
                ));
            }
        };
        self.expect("(")?;
        let of = self.expression()?;
        self.expect(")")?;
        let (names, locals) = (self.names.len(), self.locals);
        let key = self.declare(first)?;
        let value = second.map(|name| self.declare(name)).transpose()?;
        let body = self.body()?;
        self.names.truncate(names);
        self.locals = locals;
        Ok(Does::Each {
            key,
            value,
            of,
            numbered,
            body,
        })
    }

    fn counting(&mut self, name: String) -> Result<Does, String> {
        let from = self.expression()?;
        self.expect(",")?;
        let to = self.expression()?;
        let step = if self.takes(",") {
            Some(self.expression()?)
        } else {
            None
        };
        let (names, locals) = (self.names.len(), self.locals);
        let slot = self.declare(name)?;
        let body = self.body()?;
        self.names.truncate(names);
        self.locals = locals;
        Ok(Does::Count {
            slot,
            from,
            to,
            step,
            body,
        })
    }

    fn body(&mut self) -> Result<Vec<Statement>, String> {
        self.expect_word("do")?;
        self.loops += 1;
        let body = self.block(&["end"])?;
        self.loops -= 1;
        self.expect_word("end")?;
        Ok(body)
    }
}

pub(super) fn is_keyword(name: &str) -> bool {
    matches!(
        name,
        "and"
            | "break"
            | "do"
            | "else"
            | "elseif"
            | "end"
            | "false"
            | "for"
            | "function"
            | "goto"
            | "if"
            | "in"
            | "local"
            | "nil"
            | "not"
            | "or"
            | "repeat"
            | "return"
            | "then"
            | "true"
            | "until"
            | "while"
    )
}
