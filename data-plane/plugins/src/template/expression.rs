//! Expressions: what `{{...}}` and statements are made of.

use std::sync::Arc;

use weir_model::field::variable::Variable;

use super::ast::Expression;
use super::function::{Function, Method, Module};
use super::operator::Binary;
use super::parse::{Binding, Parser, is_keyword};
use super::pattern::Gsub;
use super::token::Kind;

/// Pieces of one expression, which bounds how deep it is.
const MAX_PIECES: usize = 500;

/// Deepest nesting of brackets.
const MAX_DEPTH: usize = 32;

/// Binary operators by how tightly they bind, loosest first. Only `or` and `and` are looser.
const COMPARISON: [(&str, Binary); 6] = [
    ("==", Binary::Equal),
    ("~=", Binary::Unequal),
    ("<=", Binary::LessOrEqual),
    (">=", Binary::GreaterOrEqual),
    ("<", Binary::Less),
    (">", Binary::Greater),
];
const SUM: [(&str, Binary); 2] = [("+", Binary::Add), ("-", Binary::Subtract)];
const PRODUCT: [(&str, Binary); 3] = [
    ("*", Binary::Multiply),
    ("/", Binary::Divide),
    ("%", Binary::Modulo),
];

/// How a part of an expression is read.
type Part = fn(&mut Parser) -> Result<Expression, String>;

impl Expression {
    /// Whether it stands for two values in Lua.
    pub(super) fn returns_two(&self) -> bool {
        matches!(
            self,
            Expression::Gsub(_) | Expression::Call(Function::EscapeXml, _)
        )
    }
}

impl Parser {
    /// One whole expression.
    pub(super) fn expression(&mut self) -> Result<Expression, String> {
        self.budget = MAX_PIECES;
        self.depth = 0;
        self.any()
    }

    fn spend(&mut self) -> Result<(), String> {
        self.budget = self
            .budget
            .checked_sub(1)
            .ok_or_else(|| format!("the expression has more than {MAX_PIECES} pieces"))?;
        Ok(())
    }

    fn any(&mut self) -> Result<Expression, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!(
                "brackets are nested deeper than {MAX_DEPTH} levels"
            ));
        }
        let mut left = self.all()?;
        while self.takes_word("or") {
            self.spend()?;
            left = Expression::Or(Box::new(left), Box::new(self.all()?));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn all(&mut self) -> Result<Expression, String> {
        let mut left = self.comparison()?;
        while self.takes_word("and") {
            self.spend()?;
            left = Expression::And(Box::new(left), Box::new(self.comparison()?));
        }
        Ok(left)
    }

    fn comparison(&mut self) -> Result<Expression, String> {
        self.binary(&COMPARISON, Self::concatenation)
    }

    fn concatenation(&mut self) -> Result<Expression, String> {
        let first = self.sum()?;
        let mut parts = vec![first];
        while self.takes("..") {
            self.spend()?;
            parts.push(self.sum()?);
        }
        match parts.pop() {
            Some(only) if parts.is_empty() => Ok(only),
            last => {
                parts.extend(last);
                Ok(Expression::Concat(parts))
            }
        }
    }

    fn sum(&mut self) -> Result<Expression, String> {
        self.binary(&SUM, Self::product)
    }

    fn product(&mut self) -> Result<Expression, String> {
        self.binary(&PRODUCT, Self::unary)
    }

    fn binary(&mut self, operators: &[(&str, Binary)], part: Part) -> Result<Expression, String> {
        let mut left = part(self)?;
        loop {
            let operator = operators.iter().find(|(symbol, _)| self.takes(symbol));
            let Some((_, operator)) = operator else {
                return Ok(left);
            };
            self.spend()?;
            left = Expression::Binary(*operator, Box::new(left), Box::new(part(self)?));
        }
    }

    fn unary(&mut self) -> Result<Expression, String> {
        self.spend()?;
        if self.takes_word("not") {
            return Ok(Expression::Not(Box::new(self.unary()?)));
        }
        if self.takes("#") {
            return Ok(Expression::Length(Box::new(self.unary()?)));
        }
        if self.takes("-") {
            return Ok(Expression::Negate(Box::new(self.unary()?)));
        }
        let base = self.suffixed()?;
        if self.takes("^") {
            let power = self.unary()?;
            return Ok(Expression::Binary(
                Binary::Power,
                Box::new(base),
                Box::new(power),
            ));
        }
        Ok(base)
    }

    fn suffixed(&mut self) -> Result<Expression, String> {
        let mut value = self.primary()?;
        loop {
            self.spend()?;
            if self.takes(".") {
                let name = self.field()?;
                value = self.member(value, name)?;
            } else if self.takes("[") {
                let at = self.any()?;
                self.expect("]")?;
                value = match at {
                    Expression::Text(name) => {
                        let name = String::from_utf8_lossy(&name).into_owned();
                        self.member(value, name)?
                    }
                    at => Expression::Index(Box::new(value), Box::new(at)),
                };
            } else if self.takes(":") {
                let name = self.field()?;
                let mut arguments = self.arguments()?;
                value = if name == "gsub" {
                    arguments.insert(0, value);
                    Expression::Gsub(Box::new(Gsub::compile(arguments)?))
                } else {
                    let method = Method::named(&name)
                        .ok_or_else(|| format!("method '{name}' is not supported"))?;
                    Expression::Method(Box::new(value), method, arguments)
                };
            } else {
                return match value {
                    Expression::Module(Module::Json | Module::Core | Module::Yaml) => Ok(value),
                    Expression::Module(Module::Text) => {
                        Err("'string' is a module, expected a function of it".to_owned())
                    }
                    value => Ok(value),
                };
            }
        }
    }

    /// `value.name`.
    fn member(&mut self, value: Expression, name: String) -> Result<Expression, String> {
        let module = match value {
            Expression::Context => return self.named(&name, true),
            Expression::Module(module) => module,
            value => {
                let name = Expression::Text(Arc::from(name.into_bytes()));
                return Ok(Expression::Index(Box::new(value), Box::new(name)));
            }
        };
        if let Some(inner) = module.inner(&name) {
            return Ok(Expression::Module(inner));
        }
        if module == Module::Text && name == "gsub" {
            let arguments = self.arguments()?;
            return Ok(Expression::Gsub(Box::new(Gsub::compile(arguments)?)));
        }
        let function = module.function(&name);
        let function = function.ok_or_else(|| format!("function '{name}' is not supported"))?;
        Ok(Expression::Call(function, self.arguments()?))
    }

    fn primary(&mut self) -> Result<Expression, String> {
        match self.next() {
            Kind::Number(number) => Ok(Expression::Number(number)),
            Kind::Text(text) => Ok(Expression::Text(Arc::from(text))),
            Kind::Symbol("(") => {
                let inner = self.any()?;
                self.expect(")")?;
                // One value, whatever it was before: that is what brackets do in Lua.
                Ok(match inner {
                    two if two.returns_two() => Expression::Concat(vec![two]),
                    one => one,
                })
            }
            Kind::Name(name) if name == "nil" => Ok(Expression::Nil),
            Kind::Name(name) if name == "true" => Ok(Expression::Bool(true)),
            Kind::Name(name) if name == "false" => Ok(Expression::Bool(false)),
            Kind::Name(name) if is_keyword(&name) => {
                Err(format!("expected an expression, got '{name}'"))
            }
            Kind::Name(name) => match self.binding(&name) {
                Some(Binding::Local(slot)) => Ok(Expression::Local(slot, name.into_boxed_str())),
                Some(Binding::Module(module)) => Ok(Expression::Module(module)),
                None => self.named(&name, false),
            },
            other => Err(format!("expected an expression, got {}", other.show())),
        }
    }

    /// What a name stands for that is no local variable; `inside` of `context` only fields are found.
    fn named(&mut self, name: &str, inside: bool) -> Result<Expression, String> {
        match name {
            "_ctx" => return self.variable(),
            "_body" => return Ok(Expression::Body),
            "_multipart" => return Ok(Expression::Multipart),
            "context" if !inside => return Ok(Expression::Context),
            "string" if !inside => return Ok(Expression::Module(Module::Text)),
            "require" if !inside => return self.required(),
            _ => {}
        }
        let called = self.calls();
        match Function::global(name) {
            Some(function) if called => Ok(Expression::Call(function, self.arguments()?)),
            None if called => Err(format!("function '{name}' is not supported")),
            _ => Ok(Expression::Field(name.into())),
        }
    }

    fn calls(&mut self) -> bool {
        matches!(self.peek(), Kind::Symbol("(") | Kind::Text(_))
    }

    fn required(&mut self) -> Result<Expression, String> {
        match self.arguments()?.as_slice() {
            [Expression::Text(name)] => Module::required(name).map(Expression::Module),
            _ => Err("require takes the name of a module, in quotes".to_owned()),
        }
    }

    /// `_ctx.var.NAME`, behind `_ctx`.
    fn variable(&mut self) -> Result<Expression, String> {
        const EXPECTED: &str = "expected '_ctx.var.NAME'";
        if !(self.takes(".") && self.takes_word("var")) {
            return Err(EXPECTED.to_owned());
        }
        let name = if self.takes("[") {
            let name = match self.next() {
                Kind::Text(text) => String::from_utf8_lossy(&text).into_owned(),
                _ => return Err(EXPECTED.to_owned()),
            };
            self.expect("]")?;
            name
        } else {
            self.expect(".")?;
            self.field()?
        };
        Variable::known(&name).map(Expression::Variable)
    }

    fn field(&mut self) -> Result<String, String> {
        match self.next() {
            Kind::Name(name) if !is_keyword(&name) => Ok(name),
            other => Err(format!("expected a name, got {}", other.show())),
        }
    }

    /// `(a, b)`, or one text without brackets.
    fn arguments(&mut self) -> Result<Vec<Expression>, String> {
        if let Kind::Text(text) = self.peek() {
            self.next();
            return Ok(vec![Expression::Text(Arc::from(text))]);
        }
        self.expect("(")?;
        let mut arguments = Vec::new();
        if self.takes(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.any()?);
            if self.takes(")") {
                return Ok(arguments);
            }
            self.expect(",")?;
        }
    }
}
