//! What an expression's value is, and whether a condition holds: Velocity's rules, which are not Java's.

use super::method;
use super::render::{Renderer, Result, at};
use super::tree::{Expression, Operator, Part, Reference};
use super::{Fault, Key, List, Map, Meter, Value, text};

impl Renderer<'_> {
    pub(super) fn evaluate(&mut self, expression: &Expression) -> Result<Value> {
        at(0, self.meter.step(1))?;
        Ok(match expression {
            Expression::Bool(value) => Value::Bool(*value),
            Expression::Integer(value) => Value::Integer(*value),
            Expression::Large(text) => Value::Large(text.clone()),
            Expression::Float(value) => Value::Float(*value),
            Expression::Text(text) => Value::String(text.clone()),
            Expression::Reference(reference) => self.value_of(reference)?,
            Expression::Interpolated(block) => Value::String(self.interpolated(block)?.into()),
            Expression::Not(_) => Value::Bool(self.holds(expression)?),
            Expression::List(items) => {
                let items = self.deeper(0, |renderer| renderer.all(items))?;
                at(0, self.meter.made(16 * items.len() + 32))?;
                let held = items.iter().any(Value::holds);
                let list = Value::List(List::of(items));
                self.meter.tie(&list, held);
                list
            }
            Expression::Map(entries) => self.deeper(0, |renderer| renderer.map(entries))?,
            Expression::Range(ends) => {
                let (first, last) = (self.evaluate(&ends.0)?, self.evaluate(&ends.1)?);
                at(0, range(&first, &last, self.meter))?
            }
            Expression::Chain { first, rest } => self.deeper(0, |renderer| renderer.chain(first, rest))?,
        })
    }

    pub(super) fn all(&mut self, expressions: &[Expression]) -> Result<Vec<Value>> {
        expressions.iter().map(|expression| self.evaluate(expression)).collect()
    }

    fn map(&mut self, entries: &[(Expression, Expression)]) -> Result<Value> {
        let mut made = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let key = self.evaluate(key)?;
            let Some(key) = Key::of(&key) else {
                return at(0, Err(Fault::Method("a map's key must be a string or a number".to_owned())));
            };
            made.push((key, self.evaluate(value)?));
        }
        at(0, self.meter.made(64 * made.len() + 64))?;
        let held = made.iter().any(|(_, value)| value.holds());
        let map = Value::Map(made.into_iter().collect::<Map>());
        self.meter.tie(&map, held);
        Ok(map)
    }

    /// A reference's value. Null if it names nothing.
    pub(super) fn value_of(&mut self, reference: &Reference) -> Result<Value> {
        let start = self.variable(&reference.name, reference.at)?;
        if reference.path.is_empty() { Ok(start) } else { self.follow(start, &reference.path, reference.at) }
    }

    pub(super) fn follow(&mut self, start: Value, path: &[Part], place: u32) -> Result<Value> {
        let mut value = start;
        for part in path {
            if value.is_null() {
                break;
            }
            at(place, self.meter.step(1))?;
            let next = match part {
                Part::Property(name) => method::property(&value, name, self.meter),
                Part::Index(index) => {
                    let index = self.deeper(place, |renderer| renderer.evaluate(index))?;
                    method::index(&value, &index, self.meter)
                }
                Part::Method(name, arguments) => {
                    let arguments = self.deeper(place, |renderer| renderer.all(arguments))?;
                    method::call(&value, name, &arguments, self.meter)
                }
            };
            value = at(place, next)?.unwrap_or_default();
            // Only what is looked up is empty where it is missing: what a method answers is what it answers.
            if value.is_null() && self.meter.rules().missing_is_empty && !matches!(part, Part::Method(..)) {
                value = Value::String(self.nothing.clone());
            }
            if let Value::String(text) = &value {
                at(place, self.meter.made(text.len()))?;
            }
        }
        Ok(value)
    }

    /// Whether a condition holds. Literals never do: so says Velocity.
    pub(super) fn holds(&mut self, expression: &Expression) -> Result<bool> {
        match expression {
            Expression::Not(inner) => self.deeper(0, |renderer| renderer.holds(inner)).map(|held| !held),
            Expression::Bool(value) => Ok(*value),
            Expression::Chain { .. } => Ok(matches!(self.evaluate(expression)?, Value::Bool(true))),
            Expression::Reference(reference) => Ok(match self.value_of(reference)? {
                Value::Null => false,
                Value::Bool(value) => value,
                Value::Object(object) => at(reference.at, object.text(self.meter))?.is_some(),
                _ => true,
            }),
            _ => Ok(false),
        }
    }

    fn chain(&mut self, first: &Expression, rest: &[(Operator, Expression)]) -> Result<Value> {
        if let Some((joint @ (Operator::And | Operator::Or), _)) = rest.first() {
            let stops = *joint == Operator::Or;
            for operand in std::iter::once(first).chain(rest.iter().map(|(_, operand)| operand)) {
                if self.holds(operand)? == stops {
                    return Ok(Value::Bool(stops));
                }
            }
            return Ok(Value::Bool(!stops));
        }
        let mut left = self.evaluate(first)?;
        for (at_operand, (operator, operand)) in rest.iter().enumerate() {
            let right = self.evaluate(operand)?;
            let literal = if at_operand == 0 { literal(first) } else { "null" };
            left = at(0, apply(*operator, &left, &right, (literal, literal_of(operand)), self.meter))?;
        }
        Ok(left)
    }
}

fn literal(expression: &Expression) -> &str {
    match expression {
        Expression::Reference(reference) => &reference.literal,
        _ => "null",
    }
}

fn literal_of(expression: &Expression) -> &str {
    literal(expression)
}

fn range(first: &Value, last: &Value, meter: &Meter) -> std::result::Result<Value, Fault> {
    let (Value::Integer(first), Value::Integer(last)) = (first, last) else { return Ok(Value::Null) };
    let length = usize::try_from(first.abs_diff(*last)).unwrap_or(usize::MAX).saturating_add(1);
    meter.made(length.saturating_mul(16))?;
    meter.step(length as u64 / 16)?;
    let items = if first <= last {
        (*first..=*last).map(Value::Integer).collect()
    } else {
        (*last..=*first).rev().map(Value::Integer).collect()
    };
    Ok(Value::List(List::of(items)))
}

fn apply(
    operator: Operator,
    left: &Value,
    right: &Value,
    literals: (&str, &str),
    meter: &Meter,
) -> std::result::Result<Value, Fault> {
    Ok(match operator {
        Operator::Equal => Value::Bool(equal(left, right, meter)?),
        Operator::NotEqual => Value::Bool(!equal(left, right, meter)?),
        Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => {
            Value::Bool(Number::of(left).zip(Number::of(right)).is_some_and(|(left, right)| left.is(operator, right)))
        }
        Operator::Add if left.as_str().is_some() || right.as_str().is_some() => {
            let shown =
                |value: &Value, literal: &str| Ok(text::of(value, meter)?.unwrap_or_else(|| literal.to_owned()));
            let mut joined = shown(left, literals.0)?;
            joined.push_str(&shown(right, literals.1)?);
            meter.made(joined.len())?;
            Value::String(joined.into())
        }
        _ => match Number::of(left).zip(Number::of(right)) {
            Some((left, right)) => left.compute(operator, right).map_or(Value::Null, Number::value),
            None => Value::Null,
        },
    })
}

/// Velocity's `==`: numbers by value, others of one kind as Java says, and all else by their texts.
pub(super) fn equal(left: &Value, right: &Value, meter: &Meter) -> std::result::Result<bool, Fault> {
    if let Some((left, right)) = Number::of(left).zip(Number::of(right)) {
        return Ok(left.is(Operator::Equal, right));
    }
    match (left, right) {
        (Value::Null, Value::Null) => Ok(true),
        (Value::Null, _) | (_, Value::Null) => Ok(false),
        (Value::String(left), Value::String(right)) => Ok(left == right),
        (Value::List(_), Value::List(_)) | (Value::Map(_), Value::Map(_)) => same(left, right, meter, 0),
        _ => Ok(text::of(left, meter)? == text::of(right, meter)?),
    }
}

/// Java's `equals`.
pub(super) fn same(left: &Value, right: &Value, meter: &Meter, depth: usize) -> std::result::Result<bool, Fault> {
    meter.step(1)?;
    if depth > meter.rules().depth {
        return Err(Fault::Limit("nesting"));
    }
    Ok(match (left, right) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::Integer(left), Value::Integer(right)) => left == right,
        (Value::Float(left), Value::Float(right)) => left.to_bits() == right.to_bits(),
        (Value::String(left), Value::String(right)) | (Value::Large(left), Value::Large(right)) => {
            meter.step(left.len() as u64 / 64)?;
            left == right
        }
        (Value::List(left), Value::List(right)) => {
            if left.same(right) {
                return Ok(true);
            }
            let (left, right) = (left.items(), right.items());
            if left.len() != right.len() {
                return Ok(false);
            }
            for (left, right) in left.iter().zip(&right) {
                if !same(left, right, meter, depth + 1)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Map(left), Value::Map(right)) => {
            if left.same(right) {
                return Ok(true);
            }
            if left.len() != right.len() {
                return Ok(false);
            }
            for (key, left) in left.entries() {
                match right.get_key(&key) {
                    Some(right) if same(&left, &right, meter, depth + 1)? => {}
                    _ => return Ok(false),
                }
            }
            true
        }
        (Value::Object(left), Value::Object(right)) => std::rc::Rc::ptr_eq(left, right),
        _ => false,
    })
}

/// A number, while it is reckoned with: Java widens to BigInteger where a Long overflows.
#[derive(Clone, Copy)]
pub(super) enum Number {
    Whole(i128),
    Float(f64),
}

impl Number {
    pub(super) fn of(value: &Value) -> Option<Number> {
        match value {
            Value::Integer(value) => Some(Number::Whole((*value).into())),
            Value::Float(value) => Some(Number::Float(*value)),
            Value::Large(text) => match text.parse() {
                Ok(value) => Some(Number::Whole(value)),
                Err(_) => text.parse().ok().map(Number::Float),
            },
            _ => None,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "as Java widens")]
    pub(super) fn float(self) -> f64 {
        match self {
            Number::Whole(value) => value as f64,
            Number::Float(value) => value,
        }
    }

    pub(super) fn value(self) -> Value {
        match self {
            Number::Float(value) => Value::Float(value),
            Number::Whole(value) => {
                i64::try_from(value).map_or_else(|_| Value::Large(value.to_string().into()), Value::Integer)
            }
        }
    }

    fn is(self, operator: Operator, other: Number) -> bool {
        let order = match (self, other) {
            (Number::Whole(left), Number::Whole(right)) => Some(left.cmp(&right)),
            (left, right) => left.float().partial_cmp(&right.float()),
        };
        order.is_some_and(|order| match operator {
            Operator::Less => order.is_lt(),
            Operator::LessOrEqual => order.is_le(),
            Operator::Greater => order.is_gt(),
            Operator::GreaterOrEqual => order.is_ge(),
            _ => order.is_eq(),
        })
    }

    /// Nothing where it is undefined, as a division by zero.
    fn compute(self, operator: Operator, other: Number) -> Option<Number> {
        match (self, other) {
            (Number::Whole(left), Number::Whole(right)) => {
                let done = match operator {
                    Operator::Add => left.checked_add(right),
                    Operator::Subtract => left.checked_sub(right),
                    Operator::Multiply => left.checked_mul(right),
                    Operator::Divide if right != 0 => left.checked_div(right),
                    Operator::Remainder if right != 0 => left.checked_rem(right),
                    _ => return None,
                };
                match done {
                    Some(value) => Some(Number::Whole(value)),
                    None => Number::Float(self.float()).compute(operator, Number::Float(other.float())),
                }
            }
            (left, right) => {
                let (left, right) = (left.float(), right.float());
                Some(Number::Float(match operator {
                    Operator::Add => left + right,
                    Operator::Subtract => left - right,
                    Operator::Multiply => left * right,
                    Operator::Divide if right != 0.0 => left / right,
                    Operator::Remainder if right != 0.0 => left % right,
                    _ => return None,
                }))
            }
        }
    }
}
