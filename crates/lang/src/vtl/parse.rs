//! The text of a template and the directives in it. References and what stands between parentheses: `expression.rs`.
//!
//! Velocity's lexer decides a template's white space: a directive's closing parenthesis, `#end` and `#else` take the rest
//! of their line when nothing but blanks follows; `#set` also takes the blanks before it, when they follow a directive.

use std::collections::HashMap;
use std::sync::Arc;

use super::tree::{At, Block, Call, Expression, Foreach, Macro, Node};
use super::{Error, place};

/// A template's size: API Gateway's limit is 300 KB.
const TEMPLATE_BYTES_MAX: usize = 1 << 20;
/// Directives, parentheses and interpolated strings within each other.
const DEPTH_MAX: usize = 64;
/// Names of directives: not to be taken for macros, and what a backslash before them escapes.
const DIRECTIVES: [&str; 14] = [
    "break", "define", "else", "elseif", "end", "evaluate", "foreach", "if", "include", "literal", "macro", "parse",
    "set", "stop",
];

pub(super) type Macros = HashMap<Arc<str>, Arc<Macro>>;

/// What is no part of the language, and at which byte.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) what: String,
    pub(super) at: usize,
}

impl Wrong {
    pub(super) fn in_text(self, source: &str) -> Error {
        let (line, column) = place(source, self.at);
        Error { what: self.what, line, column }
    }
}

pub(super) fn template(source: &str) -> Result<(Block, Macros), Wrong> {
    if source.len() > TEMPLATE_BYTES_MAX {
        return Err(Wrong { what: format!("the template is longer than {TEMPLATE_BYTES_MAX} bytes"), at: 0 });
    }
    let mut parser = Parser { source, at: 0, base: 0, depth: 0, macros: Macros::new() };
    let block = parser.whole()?;
    Ok((block, parser.macros))
}

pub(super) struct Parser<'t> {
    pub(super) source: &'t str,
    pub(super) at: usize,
    /// Where `source` begins in the whole template, when it is a string within it.
    pub(super) base: usize,
    pub(super) depth: usize,
    pub(super) macros: Macros,
}

/// What ends a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Text,
    End,
    Else,
    ElseIf,
}

/// A block in the making: text is gathered until something else comes.
#[derive(Default)]
struct Gathered {
    nodes: Block,
    text: String,
}

impl Gathered {
    fn push(&mut self, node: Node) {
        self.flush();
        self.nodes.push(node);
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            self.nodes.push(Node::Text(std::mem::take(&mut self.text).into()));
        }
    }
}

impl<'t> Parser<'t> {
    pub(super) fn wrong<T>(&self, what: impl Into<String>) -> Result<T, Wrong> {
        Err(Wrong { what: what.into(), at: self.base + self.at })
    }

    /// What was met where something else had to be.
    pub(super) fn unexpected<T>(&self, wanted: &str) -> Result<T, Wrong> {
        match self.rest().chars().next() {
            Some(found) => self.wrong(format!("encountered '{found}', was expecting {wanted}")),
            None => self.wrong(format!("encountered the end of the template, was expecting {wanted}")),
        }
    }

    pub(super) fn here(&self) -> At {
        At::try_from(self.base + self.at).unwrap_or(At::MAX)
    }

    pub(super) fn rest(&self) -> &'t str {
        &self.source[self.at..]
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.peek_at(0)
    }

    pub(super) fn peek_at(&self, ahead: usize) -> Option<u8> {
        self.source.as_bytes().get(self.at + ahead).copied()
    }

    pub(super) fn take(&mut self, wanted: &str) -> bool {
        let there = self.rest().starts_with(wanted);
        if there {
            self.at += wanted.len();
        }
        there
    }

    pub(super) fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Blanks and the end of a line, if nothing else is left on it.
    fn rest_of_line(&mut self) {
        let mut at = self.at;
        while matches!(self.source.as_bytes().get(at), Some(b' ' | b'\t')) {
            at += 1;
        }
        let rest = &self.source[at..];
        if let Some(end) = ["\r\n", "\n", "\r"].iter().find(|end| rest.starts_with(**end)) {
            self.at = at + end.len();
        }
    }

    pub(super) fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, Wrong>) -> Result<T, Wrong> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return self.wrong("the template is nested too deeply");
        }
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    /// All of the source.
    pub(super) fn whole(&mut self) -> Result<Block, Wrong> {
        let start = self.at;
        match self.block()? {
            (block, Ending::Text, _) => Ok(block),
            (_, _, at) => {
                self.at = at.max(start);
                self.wrong("encountered a directive that ends a block, but none is open")
            }
        }
    }

    /// Statements up to what ends them; where that began.
    fn block(&mut self) -> Result<(Block, Ending, usize), Wrong> {
        self.deeper(|parser| {
            let mut into = Gathered::default();
            loop {
                let rest = parser.rest();
                let Some(length) = rest.find(['$', '#', '\\']) else {
                    into.text.push_str(rest);
                    parser.at = parser.source.len();
                    into.flush();
                    return Ok((into.nodes, Ending::Text, parser.at));
                };
                let text = &rest[..length];
                parser.at += length;
                // A run of blanks that nothing precedes is a part of `#set`.
                let blank = text.bytes().all(|one| matches!(one, b' ' | b'\t'));
                if !(blank && parser.begins_set()) {
                    into.text.push_str(text);
                }
                let start = parser.at;
                if let Some(ending) = parser.statement(&mut into)? {
                    into.flush();
                    return Ok((into.nodes, ending, start));
                }
            }
        })
    }

    fn begins_set(&self) -> bool {
        let rest = self.rest();
        ["#set", "#{set}"]
            .iter()
            .any(|word| rest.strip_prefix(word).is_some_and(|rest| rest.trim_start_matches(' ').starts_with('(')))
    }

    /// What begins with a dollar, a hash or a backslash.
    fn statement(&mut self, into: &mut Gathered) -> Result<Option<Ending>, Wrong> {
        let escapes = self.rest().len() - self.rest().trim_start_matches('\\').len();
        match self.peek_at(escapes) {
            Some(b'$') => {
                self.dollar(escapes, into)?;
                Ok(None)
            }
            Some(b'#') if escapes > 0 => {
                self.escaped_directive(escapes, into);
                Ok(None)
            }
            Some(b'#') => self.hash(into),
            _ => {
                into.text.push_str(&self.rest()[..escapes]);
                self.at += escapes;
                Ok(None)
            }
        }
    }

    fn dollar(&mut self, escapes: usize, into: &mut Gathered) -> Result<(), Wrong> {
        let start = self.at;
        match self.reference(escapes)? {
            Some(reference) => into.push(Node::Reference(reference)),
            // `$\!name` is no reference, but loses a backslash.
            None if self.rest()[escapes..].starts_with("$\\") => {
                let slashes = self.rest()[escapes + 1..].bytes().take_while(|one| *one == b'\\').count();
                let end = start + escapes + 1 + slashes;
                let kept = if self.source[end..].starts_with('!') { end - 1 } else { end };
                into.text.push_str(&self.source[start..kept]);
                self.at = end;
            }
            None => {
                let length = escapes + if self.rest()[escapes..].starts_with("$!") { 2 } else { 1 };
                into.text.push_str(&self.rest()[..length]);
                self.at += length;
            }
        }
        Ok(())
    }

    /// Backslashes before a hash: an odd number of them escapes a directive.
    fn escaped_directive(&mut self, escapes: usize, into: &mut Gathered) {
        let word = self.word_at(self.at + escapes + 1);
        let known = word.is_some_and(|(word, _)| DIRECTIVES.contains(&word) || self.macros.contains_key(word));
        let odd = escapes % 2 == 1;
        let is_set = word.is_some_and(|(word, _)| word == "set");
        let shown = if known && (odd || !is_set) { escapes / 2 } else { escapes };
        into.text.push_str(&self.rest()[..shown]);
        self.at += escapes;
        if odd && let Some((_, end)) = word {
            into.text.push_str(&self.source[self.at..end]);
            self.at = end;
        }
    }

    /// A directive's name and where it ends: `name` or `{name}`.
    fn word_at(&self, at: usize) -> Option<(&'t str, usize)> {
        let rest = self.source.get(at..)?;
        let (rest, braces) = match rest.strip_prefix('{') {
            Some(rest) => (rest, 1),
            None => (rest, 0),
        };
        let named = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '@');
        if !rest.starts_with(|first: char| named(first) && !first.is_ascii_digit()) {
            return None;
        }
        let length = rest.find(|letter| !named(letter)).unwrap_or(rest.len());
        if braces == 1 && !rest[length..].starts_with('}') {
            return None;
        }
        Some((&rest[..length], at + length + 2 * braces))
    }

    fn hash(&mut self, into: &mut Gathered) -> Result<Option<Ending>, Wrong> {
        let rest = self.rest();
        if let Some(text) = rest.strip_prefix("#[[") {
            let Some(length) = text.find("]]#") else { return self.wrong("encountered #[[ without ]]#") };
            into.text.push_str(&text[..length]);
            self.at += length + 6;
            return Ok(None);
        }
        if let Some(comment) = rest.strip_prefix("##") {
            let length = comment.find(['\n', '\r']).unwrap_or(comment.len());
            self.at += 2 + length;
            let _ = self.take("\r\n") || self.take("\n") || self.take("\r");
            return Ok(None);
        }
        if let Some(comment) = rest.strip_prefix("#*") {
            self.at += 2 + comment.find("*#").map_or(comment.len(), |length| length + 2);
            return Ok(None);
        }
        match self.word_at(self.at + 1) {
            Some((word, end)) => self.directive(word, end, into),
            None => {
                into.text.push('#');
                self.at += 1;
                Ok(None)
            }
        }
    }

    fn directive(&mut self, word: &'t str, end: usize, into: &mut Gathered) -> Result<Option<Ending>, Wrong> {
        if word == "set" && !self.begins_set() && !self.opens(end) {
            into.text.push_str(&self.source[self.at..end]);
            self.at = end;
            return Ok(None);
        }
        if !DIRECTIVES.contains(&word) {
            self.call(word, end, into)?;
            return Ok(None);
        }
        let at = self.here();
        self.at = end;
        match word {
            "end" | "else" => {
                self.rest_of_line();
                return Ok(Some(if word == "end" { Ending::End } else { Ending::Else }));
            }
            "elseif" => return Ok(Some(Ending::ElseIf)),
            "macro" => self.macro_definition()?,
            "literal" => self.literal(into)?,
            _ => {
                let node = self.node(word, at)?;
                into.push(node);
            }
        }
        Ok(None)
    }

    /// What a directive does, from behind its name on.
    fn node(&mut self, word: &str, at: At) -> Result<Node, Wrong> {
        match word {
            "set" if self.rest().trim_start_matches(' ').starts_with('(') => self.set(),
            "set" => self.unexpected("'('"),
            "if" => self.conditional(),
            "foreach" => self.foreach(at),
            "define" => self.define(),
            "evaluate" => self.evaluate(at),
            "break" => {
                let scope = self.optional_arguments()?.into_iter().next();
                Ok(scope.map_or(Node::Break, |scope| Node::BreakOut { scope, at }))
            }
            "stop" => self.optional_arguments().map(|_| Node::Stop),
            _ => {
                self.optional_arguments()?;
                Ok(Node::Refused { name: if word == "parse" { "#parse" } else { "#include" }, at })
            }
        }
    }

    /// Whether a parenthesis opens at `at`, after white space.
    fn opens(&self, at: usize) -> bool {
        self.source[at..].trim_start_matches([' ', '\t', '\n', '\r']).starts_with('(')
    }

    /// Statements up to `#end`.
    fn body(&mut self) -> Result<Block, Wrong> {
        match self.block()? {
            (block, Ending::End, _) => Ok(block),
            _ => self.unexpected("#end"),
        }
    }

    fn open(&mut self) -> Result<(), Wrong> {
        self.space();
        if self.take("(") { Ok(()) } else { self.unexpected("'('") }
    }

    fn close(&mut self) -> Result<(), Wrong> {
        self.space();
        if !self.take(")") {
            return self.unexpected("')'");
        }
        self.rest_of_line();
        Ok(())
    }

    fn condition(&mut self) -> Result<Expression, Wrong> {
        self.open()?;
        let condition = self.expression()?;
        self.close()?;
        Ok(condition)
    }

    fn set(&mut self) -> Result<Node, Wrong> {
        self.open()?;
        self.space();
        let Some(target) = self.reference(0)? else { return self.unexpected("a reference") };
        self.space();
        if !self.take("=") {
            return self.unexpected("'='");
        }
        let value = self.expression()?;
        self.close()?;
        Ok(Node::Set { target, value })
    }

    fn conditional(&mut self) -> Result<Node, Wrong> {
        let mut branches = Vec::new();
        loop {
            let condition = self.condition()?;
            let (block, ending, _) = self.block()?;
            branches.push((condition, block));
            match ending {
                Ending::ElseIf => {}
                Ending::End => return Ok(Node::If { branches, otherwise: Block::new() }),
                Ending::Else => return Ok(Node::If { branches, otherwise: self.body()? }),
                Ending::Text => return self.unexpected("#end"),
            }
        }
    }

    fn foreach(&mut self, at: At) -> Result<Node, Wrong> {
        let mut arguments = self.arguments()?.into_iter();
        let Some(Expression::Reference(variable)) = arguments.next() else {
            return self.wrong("#foreach needs a reference, 'in' and a list");
        };
        // Of two arguments, and of `$i $list`, Velocity makes a loop over nothing.
        arguments.next();
        let list = arguments.next().unwrap_or_else(|| Expression::List(Vec::new()));
        let body = self.body()?;
        Ok(Node::Foreach(Box::new(Foreach { variable: variable.name, list, body, at })))
    }

    fn define(&mut self) -> Result<Node, Wrong> {
        let Some(Expression::Reference(named)) = self.arguments()?.into_iter().next() else {
            return self.wrong("#define needs a reference");
        };
        Ok(Node::Define { name: named.name, body: Arc::new(self.body()?) })
    }

    fn evaluate(&mut self, at: At) -> Result<Node, Wrong> {
        let Some(text) = self.arguments()?.into_iter().next() else {
            return self.wrong("#evaluate needs an argument");
        };
        match text {
            Expression::Text(_) | Expression::Interpolated(_) | Expression::Reference(_) => {
                Ok(Node::Evaluate { text, at })
            }
            _ => self.wrong("#evaluate needs a string or a reference"),
        }
    }

    /// Text up to `#end`, whatever it looks like.
    fn literal(&mut self, into: &mut Gathered) -> Result<(), Wrong> {
        self.arguments()?;
        let from = self.at;
        let (_, ending, to) = self.block()?;
        if ending != Ending::End {
            return self.unexpected("#end");
        }
        into.text.push_str(&self.source[from..to]);
        Ok(())
    }

    fn macro_definition(&mut self) -> Result<(), Wrong> {
        self.open()?;
        self.space();
        let Some((name, end)) = self.word_at(self.at) else { return self.unexpected("a macro's name") };
        self.at = end;
        let mut parameters = Vec::new();
        for argument in self.arguments_after_opening()? {
            match argument {
                Expression::Reference(named) => parameters.push(named.name),
                _ => return self.wrong("a macro's parameters are references"),
            }
        }
        let body = self.body()?;
        // Defined where it stands, whether or not that is reached; the last of a name holds.
        if !DIRECTIVES.contains(&name) {
            self.macros.insert(name.into(), Arc::new(Macro { parameters, body }));
        }
        Ok(())
    }

    fn call(&mut self, name: &'t str, end: usize, into: &mut Gathered) -> Result<(), Wrong> {
        let start = self.at;
        let at = self.here();
        if !self.opens(end) {
            into.text.push_str(&self.source[start..end]);
            self.at = end;
            return Ok(());
        }
        self.at = end;
        let arguments = self.arguments()?.into();
        let (name, body) = match name.strip_prefix('@') {
            Some(name) => (name, Some(Arc::new(self.body()?))),
            None => (name, None),
        };
        let literal = self.source[start..self.at].into();
        into.push(Node::Call(Box::new(Call { name: name.into(), arguments, body, literal, at })));
        Ok(())
    }

    fn optional_arguments(&mut self) -> Result<Vec<Expression>, Wrong> {
        if self.opens(self.at) { self.arguments() } else { Ok(Vec::new()) }
    }

    /// A directive's arguments in parentheses, separated by blanks or commas.
    fn arguments(&mut self) -> Result<Vec<Expression>, Wrong> {
        self.open()?;
        self.arguments_after_opening()
    }

    fn arguments_after_opening(&mut self) -> Result<Vec<Expression>, Wrong> {
        let mut arguments = Vec::new();
        loop {
            self.space();
            if self.take(")") {
                self.rest_of_line();
                return Ok(arguments);
            }
            if !arguments.is_empty() && self.take(",") {
                self.space();
            }
            let argument = match self.word_at(self.at) {
                Some((word, end)) if !matches!(word, "true" | "false") && self.peek() != Some(b'{') => {
                    self.at = end;
                    Expression::Text(word.into())
                }
                _ => self.operand()?,
            };
            arguments.push(argument);
        }
    }
}
