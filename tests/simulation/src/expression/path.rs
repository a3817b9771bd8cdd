//! Document paths: a root attribute, and steps into maps and lists.

use serde_dynamo::AttributeValue;

use crate::expression::Attributes;

/// One step of a path below its root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Into a map.
    Name(String),
    /// Into a list.
    Index(usize),
}

/// A document path with its aliases resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The attribute.
    pub root: String,
    /// The steps below it.
    pub steps: Vec<Step>,
}

impl Path {
    /// The value at this path, if there is one.
    #[must_use]
    pub fn find<'a>(&self, item: &'a Attributes) -> Option<&'a AttributeValue> {
        self.steps.iter().try_fold(item.get(&self.root)?, |value, step| match (value, step) {
            (AttributeValue::M(map), Step::Name(name)) => map.get(name),
            (AttributeValue::L(list), Step::Index(index)) => list.get(*index),
            _ => None,
        })
    }

    /// The value at this path, to be changed.
    pub fn find_mut<'a>(&self, item: &'a mut Attributes) -> Option<&'a mut AttributeValue> {
        self.steps.iter().try_fold(item.get_mut(&self.root)?, |value, step| match (value, step) {
            (AttributeValue::M(map), Step::Name(name)) => map.get_mut(name),
            (AttributeValue::L(list), Step::Index(index)) => list.get_mut(*index),
            _ => None,
        })
    }

    /// Whether one of the paths lies within the other, which DynamoDB allows in no update.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.root == other.root && self.steps.iter().zip(&other.steps).all(|(mine, others)| mine == others)
    }
}
