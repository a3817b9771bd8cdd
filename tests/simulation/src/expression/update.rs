//! Update expressions.

use serde_dynamo::AttributeValue;

use crate::expression::parse::{Token, Tokens};
use crate::expression::path::{Path, Step};
use crate::expression::{Attributes, Bound, Invalid, integer};

/// One action of an update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Puts a value in a place.
    Set(Path, Term),
    /// Takes away what is in a place.
    Remove(Path),
    /// Adds to a number.
    Add(Path, String),
}

/// What is put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Term {
    /// A placeholder.
    Value(String),
    /// Another place of the item.
    Path(Path),
    /// The place, or this when there is nothing.
    IfNotExists(Path, Box<Term>),
    /// One list and then the other.
    ListAppend(Box<Term>, Box<Term>),
    /// A sum.
    Plus(Box<Term>, Box<Term>),
    /// A difference.
    Minus(Box<Term>, Box<Term>),
}

/// Reads an update.
///
/// # Errors
/// When it is outside the subset, or two of its places overlap.
pub fn read(text: &str) -> Result<Vec<Change>, Invalid> {
    let mut tokens = Tokens::read(text)?;
    let mut changes = Vec::new();
    while tokens.peek().is_some() {
        let clause = tokens.take()?;
        loop {
            changes.push(change(&clause, &mut tokens)?);
            if !tokens.accept(",") {
                break;
            }
        }
    }
    let paths: Vec<&Path> = changes.iter().map(Change::path).collect();
    for (index, path) in paths.iter().enumerate() {
        if paths.iter().skip(index + 1).any(|other| path.overlaps(other)) {
            return Err(Invalid::new(format!("two paths overlap: {path:?}")));
        }
    }
    Ok(changes)
}

impl Change {
    fn path(&self) -> &Path {
        match self {
            Self::Set(path, _) | Self::Remove(path) | Self::Add(path, _) => path,
        }
    }

    /// Calls `name` with every placeholder that is used.
    pub fn placeholders(&self, name: &mut impl FnMut(&str)) {
        match self {
            Self::Set(_, term) => term.placeholders(name),
            Self::Remove(_) => {}
            Self::Add(_, value) => name(value),
        }
    }
}

impl Term {
    fn placeholders(&self, name: &mut impl FnMut(&str)) {
        match self {
            Self::Value(value) => name(value),
            Self::Path(_) => {}
            Self::IfNotExists(_, term) => term.placeholders(name),
            Self::ListAppend(left, right) | Self::Plus(left, right) | Self::Minus(left, right) => {
                left.placeholders(name);
                right.placeholders(name);
            }
        }
    }
}

fn change(clause: &Token, tokens: &mut Tokens) -> Result<Change, Invalid> {
    let Token::Word(clause) = clause else {
        return Err(Invalid::new(format!("{clause:?} is no clause")));
    };
    let path = tokens.path()?;
    match clause.as_str() {
        "SET" => {
            tokens.expect("=")?;
            Ok(Change::Set(path, term(tokens)?))
        }
        "REMOVE" => Ok(Change::Remove(path)),
        "ADD" => Ok(Change::Add(path, tokens.value()?)),
        other => Err(Invalid::new(format!("`{other}` is no clause"))),
    }
}

fn term(tokens: &mut Tokens) -> Result<Term, Invalid> {
    let left = operand(tokens)?;
    if tokens.accept("+") {
        return Ok(Term::Plus(Box::new(left), Box::new(operand(tokens)?)));
    }
    if tokens.accept("-") {
        return Ok(Term::Minus(Box::new(left), Box::new(operand(tokens)?)));
    }
    Ok(left)
}

fn operand(tokens: &mut Tokens) -> Result<Term, Invalid> {
    if tokens.accept_word("if_not_exists") {
        tokens.expect("(")?;
        let path = tokens.path()?;
        tokens.expect(",")?;
        let otherwise = operand(tokens)?;
        tokens.expect(")")?;
        return Ok(Term::IfNotExists(path, Box::new(otherwise)));
    }
    if tokens.accept_word("list_append") {
        tokens.expect("(")?;
        let first = operand(tokens)?;
        tokens.expect(",")?;
        let second = operand(tokens)?;
        tokens.expect(")")?;
        return Ok(Term::ListAppend(Box::new(first), Box::new(second)));
    }
    match tokens.peek() {
        Some(Token::Value(_)) => Ok(Term::Value(tokens.value()?)),
        _ => Ok(Term::Path(tokens.path()?)),
    }
}

/// Applies an update. Every term and every index refers to the item as it was before.
///
/// # Errors
/// When a type does not fit, or a place has nothing around it.
pub fn apply(changes: &[Change], item: &Attributes, values: &Bound) -> Result<Attributes, Invalid> {
    let mut after = item.clone();
    let mut removed = Vec::new();
    for change in changes {
        match change {
            Change::Set(path, term) => set(&mut after, path, evaluate(term, item, values)?)?,
            Change::Add(path, value) => add(&mut after, path, bound(values, value)?)?,
            Change::Remove(path) => removed.push(path),
        }
    }
    // From the back, so that the indices of one list stay those of the item as it was.
    removed.sort_by_key(|path| std::cmp::Reverse(last_index(path)));
    for path in removed {
        remove(&mut after, path)?;
    }
    Ok(after)
}

fn last_index(path: &Path) -> usize {
    match path.steps.last() {
        Some(Step::Index(index)) => *index,
        _ => 0,
    }
}

fn bound<'a>(values: &'a Bound, name: &str) -> Result<&'a AttributeValue, Invalid> {
    values.get(name).ok_or_else(|| Invalid::new(format!("{name} has no value")))
}

fn evaluate(term: &Term, item: &Attributes, values: &Bound) -> Result<AttributeValue, Invalid> {
    let missing = |path: &Path| Invalid::new(format!("there is nothing at {path:?}"));
    match term {
        Term::Value(name) => bound(values, name).cloned(),
        Term::Path(path) => path.find(item).cloned().ok_or_else(|| missing(path)),
        Term::IfNotExists(path, otherwise) => match path.find(item) {
            Some(value) => Ok(value.clone()),
            None => evaluate(otherwise, item, values),
        },
        Term::ListAppend(first, second) => match (evaluate(first, item, values)?, evaluate(second, item, values)?) {
            (AttributeValue::L(mut first), AttributeValue::L(second)) => {
                first.extend(second);
                Ok(AttributeValue::L(first))
            }
            _ => Err(Invalid::new("list_append of something that is no list")),
        },
        Term::Plus(left, right) => sum(left, right, 1, item, values),
        Term::Minus(left, right) => sum(left, right, -1, item, values),
    }
}

fn sum(left: &Term, right: &Term, sign: i128, item: &Attributes, values: &Bound) -> Result<AttributeValue, Invalid> {
    let (left, right) = (evaluate(left, item, values)?, evaluate(right, item, values)?);
    let sum = integer(&left).zip(integer(&right)).map(|(left, right)| left + sign * right);
    sum.map(|sum| AttributeValue::N(sum.to_string()))
        .ok_or_else(|| Invalid::new("a sum of something that is no number"))
}

fn set(item: &mut Attributes, path: &Path, value: AttributeValue) -> Result<(), Invalid> {
    let nowhere = || Invalid::new(format!("the path {path:?} leads nowhere"));
    let Some((last, before)) = path.steps.split_last() else {
        item.insert(path.root.clone(), value);
        return Ok(());
    };
    let around = Path { root: path.root.clone(), steps: before.to_vec() };
    match (around.find_mut(item).ok_or_else(nowhere)?, last) {
        (AttributeValue::M(map), Step::Name(name)) => {
            map.insert(name.clone(), value);
            Ok(())
        }
        (AttributeValue::L(list), Step::Index(index)) => {
            match list.get_mut(*index) {
                Some(place) => *place = value,
                None => list.push(value),
            }
            Ok(())
        }
        _ => Err(nowhere()),
    }
}

fn add(item: &mut Attributes, path: &Path, value: &AttributeValue) -> Result<(), Invalid> {
    let wrong = || Invalid::new(format!("ADD of a wrong type at {path:?}"));
    let sum = match (path.find(item), value) {
        (None, AttributeValue::N(_)) => value.clone(),
        (Some(before @ AttributeValue::N(_)), AttributeValue::N(_)) => {
            let sum = integer(before).zip(integer(value)).map(|(before, more)| before + more);
            AttributeValue::N(sum.ok_or_else(wrong)?.to_string())
        }
        _ => return Err(wrong()),
    };
    set(item, path, sum)
}

fn remove(item: &mut Attributes, path: &Path) -> Result<(), Invalid> {
    let Some((last, before)) = path.steps.split_last() else {
        item.remove(&path.root);
        return Ok(());
    };
    let around = Path { root: path.root.clone(), steps: before.to_vec() };
    match (around.find_mut(item), last) {
        (Some(AttributeValue::M(map)), Step::Name(name)) => {
            map.remove(name);
            Ok(())
        }
        (Some(AttributeValue::L(list)), Step::Index(index)) => {
            if *index < list.len() {
                list.remove(*index);
            }
            Ok(())
        }
        _ => Err(Invalid::new(format!("the path {path:?} leads nowhere"))),
    }
}
