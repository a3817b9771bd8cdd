//! Condition expressions.

use std::cmp::Ordering;

use serde_dynamo::AttributeValue;
use shared::table::value_bytes;

use crate::expression::parse::{Token, Tokens};
use crate::expression::path::Path;
use crate::expression::{Attributes, Bound, Invalid, integer};

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// One of two.
    Or(Box<Condition>, Box<Condition>),
    /// Both.
    And(Box<Condition>, Box<Condition>),
    /// The contrary.
    Not(Box<Condition>),
    /// There is something, or nothing, at a path.
    Exists(Path, bool),
    /// A set holds an element, or a string a part.
    Contains(Path, Operand),
    /// Two values compare.
    Compare(Operand, Comparison, Operand),
}

/// How two values compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `<>`
    Different,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}

/// What a condition compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operand {
    /// A placeholder.
    Value(String),
    /// An attribute.
    Path(Path),
    /// The length of a list, a set or a map, or the bytes of a string or a binary.
    Size(Path),
}

/// Reads a condition.
///
/// # Errors
/// When it is outside the subset.
pub fn read(text: &str) -> Result<Condition, Invalid> {
    let mut tokens = Tokens::read(text)?;
    let condition = or(&mut tokens)?;
    match tokens.peek() {
        None => Ok(condition),
        Some(token) => Err(Invalid::new(format!("{token:?} is behind the condition's end"))),
    }
}

fn or(tokens: &mut Tokens) -> Result<Condition, Invalid> {
    let mut left = and(tokens)?;
    while tokens.accept_word("OR") {
        left = Condition::Or(Box::new(left), Box::new(and(tokens)?));
    }
    Ok(left)
}

fn and(tokens: &mut Tokens) -> Result<Condition, Invalid> {
    let mut left = not(tokens)?;
    while tokens.accept_word("AND") {
        left = Condition::And(Box::new(left), Box::new(not(tokens)?));
    }
    Ok(left)
}

fn not(tokens: &mut Tokens) -> Result<Condition, Invalid> {
    if tokens.accept_word("NOT") {
        return Ok(Condition::Not(Box::new(not(tokens)?)));
    }
    if tokens.accept("(") {
        let inner = or(tokens)?;
        tokens.expect(")")?;
        return Ok(inner);
    }
    for (word, there) in [("attribute_exists", true), ("attribute_not_exists", false)] {
        if tokens.accept_word(word) {
            return Ok(Condition::Exists(only_path(tokens)?, there));
        }
    }
    if tokens.accept_word("contains") {
        tokens.expect("(")?;
        let path = tokens.path()?;
        tokens.expect(",")?;
        let operand = operand(tokens)?;
        tokens.expect(")")?;
        return Ok(Condition::Contains(path, operand));
    }
    let left = operand(tokens)?;
    let comparison = comparison(tokens)?;
    Ok(Condition::Compare(left, comparison, operand(tokens)?))
}

fn only_path(tokens: &mut Tokens) -> Result<Path, Invalid> {
    tokens.expect("(")?;
    let path = tokens.path()?;
    tokens.expect(")")?;
    Ok(path)
}

fn operand(tokens: &mut Tokens) -> Result<Operand, Invalid> {
    if tokens.accept_word("size") {
        return Ok(Operand::Size(only_path(tokens)?));
    }
    match tokens.peek() {
        Some(Token::Value(_)) => Ok(Operand::Value(tokens.value()?)),
        _ => Ok(Operand::Path(tokens.path()?)),
    }
}

fn comparison(tokens: &mut Tokens) -> Result<Comparison, Invalid> {
    Ok(match tokens.take()? {
        Token::Mark("=") => Comparison::Equal,
        Token::Mark("<>") => Comparison::Different,
        Token::Mark("<") => Comparison::Less,
        Token::Mark("<=") => Comparison::AtMost,
        Token::Mark(">") => Comparison::Greater,
        Token::Mark(">=") => Comparison::AtLeast,
        other => return Err(Invalid::new(format!("{other:?} is no comparison"))),
    })
}

/// Whether a condition holds for an item; one that does not exist has no attributes.
#[must_use]
pub fn holds(condition: &Condition, item: &Attributes, values: &Bound) -> bool {
    match condition {
        Condition::Or(left, right) => holds(left, item, values) || holds(right, item, values),
        Condition::And(left, right) => holds(left, item, values) && holds(right, item, values),
        Condition::Not(inner) => !holds(inner, item, values),
        Condition::Exists(path, there) => path.find(item).is_some() == *there,
        Condition::Contains(path, operand) => {
            let part = value(operand, item, values);
            path.find(item).zip(part).is_some_and(|(whole, part)| contains(whole, &part))
        }
        Condition::Compare(left, comparison, right) => {
            let sides = value(left, item, values).zip(value(right, item, values));
            // What is not there is different from everything, and nothing else can be said of it.
            sides.map_or(*comparison == Comparison::Different, |(left, right)| compares(&left, *comparison, &right))
        }
    }
}

fn value(operand: &Operand, item: &Attributes, values: &Bound) -> Option<AttributeValue> {
    match operand {
        Operand::Value(name) => values.get(name.as_str()).cloned(),
        Operand::Path(path) => path.find(item).cloned(),
        Operand::Size(path) => size(path.find(item)?).map(|size| AttributeValue::N(size.to_string())),
    }
}

fn size(value: &AttributeValue) -> Option<usize> {
    match value {
        AttributeValue::L(list) => Some(list.len()),
        AttributeValue::M(map) => Some(map.len()),
        AttributeValue::S(_) | AttributeValue::B(_) => Some(value_bytes(value)),
        // The table refuses sets.
        AttributeValue::Ss(_) | AttributeValue::Ns(_) | AttributeValue::Bs(_) => None,
        AttributeValue::N(_) | AttributeValue::Bool(_) | AttributeValue::Null(_) => None,
    }
}

fn contains(whole: &AttributeValue, part: &AttributeValue) -> bool {
    match (whole, part) {
        (AttributeValue::S(text), AttributeValue::S(part)) => text.contains(part),
        (AttributeValue::L(list), element) => list.contains(element),
        _ => false,
    }
}

fn compares(left: &AttributeValue, comparison: Comparison, right: &AttributeValue) -> bool {
    match comparison {
        Comparison::Equal => same(left, right),
        Comparison::Different => !same(left, right),
        Comparison::Less => order(left, right) == Some(Ordering::Less),
        Comparison::AtMost => matches!(order(left, right), Some(Ordering::Less | Ordering::Equal)),
        Comparison::Greater => order(left, right) == Some(Ordering::Greater),
        Comparison::AtLeast => matches!(order(left, right), Some(Ordering::Greater | Ordering::Equal)),
    }
}

fn same(left: &AttributeValue, right: &AttributeValue) -> bool {
    order(left, right).map_or_else(|| left == right, |order| order == Ordering::Equal)
}

/// Values of different types have no order, and a comparison of them does not hold.
fn order(left: &AttributeValue, right: &AttributeValue) -> Option<Ordering> {
    match (left, right) {
        (AttributeValue::N(_), AttributeValue::N(_)) => Some(integer(left)?.cmp(&integer(right)?)),
        (AttributeValue::S(left), AttributeValue::S(right)) => Some(left.as_bytes().cmp(right.as_bytes())),
        (AttributeValue::B(left), AttributeValue::B(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

impl Condition {
    /// Calls `name` with every placeholder that is used.
    pub fn placeholders(&self, name: &mut impl FnMut(&str)) {
        let mut operand = |operand: &Operand| {
            if let Operand::Value(value) = operand {
                name(value);
            }
        };
        match self {
            Self::Or(left, right) | Self::And(left, right) => {
                left.placeholders(name);
                right.placeholders(name);
            }
            Self::Not(inner) => inner.placeholders(name),
            Self::Exists(..) => {}
            Self::Contains(_, part) => operand(part),
            Self::Compare(left, _, right) => {
                operand(left);
                operand(right);
            }
        }
    }
}
