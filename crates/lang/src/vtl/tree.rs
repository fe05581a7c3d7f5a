//! What a template is made of. Owned and shareable: no lifetimes, so that what `#evaluate` parses may live beside it.

use std::sync::Arc;

/// Statements one after the other.
pub(super) type Block = Vec<Node>;

/// A place in the source, in bytes.
pub(super) type At = u32;

#[derive(Debug)]
pub(super) enum Node {
    Text(Box<str>),
    Reference(Reference),
    Set {
        target: Reference,
        value: Expression,
    },
    If {
        branches: Vec<(Expression, Block)>,
        otherwise: Block,
    },
    Foreach(Box<Foreach>),
    /// Text that is rendered whenever it is named.
    Define {
        name: Arc<str>,
        body: Arc<Block>,
    },
    Call(Box<Call>),
    Evaluate {
        text: Expression,
        at: At,
    },
    Break,
    /// Ends the loop to which the named scope belongs: `#break($foreach.parent)`.
    BreakOut {
        scope: Expression,
        at: At,
    },
    Stop,
    /// A directive that Velocity has and its users here do not.
    Refused {
        name: &'static str,
        at: At,
    },
}

#[derive(Debug)]
pub(super) struct Foreach {
    pub(super) variable: Arc<str>,
    pub(super) list: Expression,
    pub(super) body: Block,
    pub(super) at: At,
}

/// A macro's use, or just text that looks so: only rendering tells.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) name: Arc<str>,
    pub(super) arguments: Arc<[Expression]>,
    /// Of `#@name() body #end`.
    pub(super) body: Option<Arc<Block>>,
    /// What it is if there is no such macro.
    pub(super) literal: Box<str>,
    pub(super) at: At,
}

#[derive(Debug)]
pub(super) struct Macro {
    pub(super) parameters: Vec<Arc<str>>,
    pub(super) body: Block,
}

/// `$name.property.method(argument)[index]`
#[derive(Debug)]
pub(super) struct Reference {
    pub(super) name: Arc<str>,
    pub(super) path: Vec<Part>,
    /// `$!`: nothing rather than itself, where it names nothing.
    pub(super) quiet: bool,
    /// How it is written: what is rendered where it names nothing.
    pub(super) literal: Box<str>,
    /// Backslashes before it.
    pub(super) escapes: u32,
    pub(super) at: At,
}

#[derive(Debug)]
pub(super) enum Part {
    Property(Arc<str>),
    Method(Arc<str>, Vec<Expression>),
    Index(Expression),
}

#[derive(Debug)]
pub(super) enum Expression {
    Bool(bool),
    Integer(i64),
    /// Beyond 64 bits: Java's BigInteger, kept as written.
    Large(Arc<str>),
    Float(f64),
    Text(Arc<str>),
    /// A double-quoted string that names something.
    Interpolated(Block),
    Reference(Box<Reference>),
    List(Vec<Expression>),
    Map(Vec<(Expression, Expression)>),
    Range(Box<(Expression, Expression)>),
    Not(Box<Expression>),
    /// Operators of one precedence, from left to right.
    Chain {
        first: Box<Expression>,
        rest: Vec<(Operator, Expression)>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    And,
    Or,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}
