//! Where a walk through all entities stands: kind by kind, and in each in the order of the ids.

use crate::envelope::{EntityId, Malformed};
use crate::operator::OperatorError;
use crate::registry::Registry;

/// Where a walk goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The kind whose entities come next.
    pub kind: &'static str,
    /// The entity that they come after; none at the beginning of the kind.
    pub after: Option<EntityId>,
    /// Which kinds are walked through.
    pub kinds: Kinds,
}

/// Which kinds a walk goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kinds {
    /// The one that it began with.
    One,
    /// All that this program knows, in order of their names.
    All,
}

impl Place {
    /// Where a walk through one kind, or through all, begins, or goes on from a cursor; none when there is no kind.
    ///
    /// # Errors
    /// When there is no such kind, or the cursor is not one of this walk.
    pub fn read(registry: &Registry, kind: Option<&str>, cursor: Option<&str>) -> Result<Option<Self>, OperatorError> {
        let kinds = if kind.is_some() { Kinds::One } else { Kinds::All };
        let malformed = || Malformed("`cursor` is not one that a page of this list ended with".to_owned());
        let text = cursor.map(|cursor| {
            let bytes = hex::decode(cursor).ok();
            bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(malformed)
        });
        let (reached, after) = match text.transpose()? {
            None => (None, None),
            Some(text) => match text.split_once('/') {
                Some((kind, "")) => (Some(kind.to_owned()), None),
                _ => {
                    let entity: EntityId = text.parse().map_err(|_| malformed())?;
                    (Some(entity.kind().to_owned()), Some(entity))
                }
            },
        };
        if let (Some(kind), Some(reached)) = (kind, &reached)
            && kind != reached
        {
            return Err(malformed().into());
        }
        let Some(wanted) = reached.as_deref().or(kind).or_else(|| registry.names().next()) else {
            return Ok(None);
        };
        let known = registry.kind(wanted).ok_or_else(|| OperatorError::UnknownKind {
            kind: wanted.to_owned(),
            known: registry.names().collect::<Vec<_>>().join(", "),
        })?;
        Ok(Some(Self { kind: known.name, after, kinds }))
    }

    /// The place after a page that ended at `last`, or with the end of the kind; none at the end of the walk.
    #[must_use]
    pub fn next(self, registry: &Registry, last: Option<EntityId>) -> Option<Self> {
        if last.is_some() {
            return Some(Self { after: last, ..self });
        }
        let later = registry.names().find(|name| self.kinds == Kinds::All && *name > self.kind);
        later.map(|kind| Self { kind, after: None, kinds: self.kinds })
    }

    /// The place as a cursor.
    #[must_use]
    pub fn cursor(&self) -> String {
        match &self.after {
            Some(entity) => hex::encode(entity.as_str()),
            None => hex::encode(format!("{}/", self.kind)),
        }
    }
}
