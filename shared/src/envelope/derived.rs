//! Ids that are made of an event: for whatever it brings into the world.

use sha2::{Digest, Sha256};

use super::{EntityId, EventId};
use crate::limits;

/// The length of a derived id: so many of `0-9` and `a-f`.
pub const DERIVED_BYTES: usize = 32;

const _: () = assert!(DERIVED_BYTES <= limits::ID_BYTES, "a derived id must be an id");

impl EventId {
    /// Makes an id for something that an event brings into the world, such as an order or a transfer: the same one however
    /// often the event is run, sent or read again, so that nothing comes into being twice.
    ///
    /// `entity` is who handles the event, whose numbers count within it. `name` tells apart what one event brings: the
    /// reason for it, such as `refund`, or a line's number, of any length and in any letters. The same three always make the
    /// same id; others make another one, as far as 128 bits of SHA-256 can tell them apart.
    ///
    /// The id has [`DERIVED_BYTES`] characters, and so is valid in an [`EntityId`] however long the three are. It says
    /// nothing of them: what its reader is to know belongs beside it. And it is no secret, because whoever knows the three
    /// can make it.
    ///
    /// ```
    /// use shared::envelope::{EntityId, EventId};
    ///
    /// # fn main() -> Result<(), shared::envelope::Malformed> {
    /// let cart = EntityId::new("cart", "alice")?;
    /// let event: EventId = "7-01a201fe74917a250b718778".parse()?;
    /// let order = EntityId::new("order", &event.derive(&cart, "order"))?;
    /// assert_eq!(order.id().len(), 32);
    /// assert_ne!(order.id(), event.derive(&cart, "invoice"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn derive(&self, entity: &EntityId, name: &str) -> String {
        let digest = Sha256::digest(written(entity, *self, name));
        digest.iter().take(DERIVED_BYTES / 2).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The three as bytes, no two of which are written alike: the entity's length comes before it, the event has always as many
/// bytes, and the name is all that is left. It never changes, for ids that were made of it are stored.
fn written(entity: &EntityId, event: EventId, name: &str) -> Vec<u8> {
    let entity = entity.as_str().as_bytes();
    let length = (entity.len() as u64).to_be_bytes();
    [&length[..], entity, &event.sequence.to_be_bytes(), &event.id.0, name.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::envelope::EnvelopeId;

    fn entity(id: &str) -> EntityId {
        EntityId::new("cart", id).unwrap()
    }

    fn event(sequence: u64, id: u8) -> EventId {
        EventId { sequence, id: EnvelopeId([id; 12]) }
    }

    #[test]
    fn it_is_an_id_of_one_length_whatever_it_is_made_of() {
        let longest = EntityId::new(&"k".repeat(limits::KIND_BYTES), &"x".repeat(limits::ID_BYTES)).unwrap();
        let names = ["", "order", "Bestellung für Zoë/#1\0", &"n".repeat(100_000)];
        for entity in [&longest, &entity("a")] {
            for event in [event(1, 0), event(u64::MAX, 0xff)] {
                for name in names {
                    let id = event.derive(entity, name);
                    assert_eq!(id.len(), DERIVED_BYTES);
                    assert_eq!(EntityId::new("order", &id).unwrap().id(), id);
                    assert_eq!(event.derive(entity, name), id);
                }
            }
        }
    }

    #[test]
    fn what_is_different_is_written_differently_and_has_another_id() {
        let entities = ["a", "ab", "ab1", "b", "a-1"].map(entity);
        // The digits of one part could be taken for those of the next, were they texts.
        let events = [event(1, b'1'), event(11, b'1'), event(1, 0), event(0, 1), event(u64::MAX, b'a')];
        let names = ["", "1", "11", "a", "b", "\0", "1-1", "cart/a", "\u{1}\u{1}\u{1}\u{1}"];
        let (mut bytes, mut ids, mut count) = (BTreeSet::new(), BTreeSet::new(), 0);
        for entity in &entities {
            for event in events {
                for name in names {
                    bytes.insert(written(entity, event, name));
                    ids.insert(event.derive(entity, name));
                    count += 1;
                }
            }
        }
        assert_eq!((bytes.len(), ids.len()), (count, count));
    }

    /// The three, read back from their bytes: so no bytes are those of two.
    #[test]
    fn what_is_written_can_be_read_back() {
        for (id, name) in [("a", "bc"), ("ab", "c"), ("abc", ""), ("a", "\0\0")] {
            let (entity, event) = (entity(id), event(7, 9));
            let bytes = written(&entity, event, name);
            let (length, rest) = bytes.split_first_chunk().unwrap();
            let (of_entity, rest) = rest.split_at(usize::try_from(u64::from_be_bytes(*length)).unwrap());
            let (sequence, rest) = rest.split_first_chunk().unwrap();
            let (envelope, rest) = rest.split_first_chunk().unwrap();
            let read = EventId { sequence: u64::from_be_bytes(*sequence), id: EnvelopeId(*envelope) };
            assert_eq!((of_entity, read, rest), (entity.as_str().as_bytes(), event, name.as_bytes()));
        }
    }

    #[test]
    fn it_is_the_same_in_every_program_for_ever() {
        let event: EventId = "7-01a201fe74917a250b718778".parse().unwrap();
        assert_eq!(event.derive(&entity("alice"), "order"), "d728efe87c036b0545a7b7cb9476dc59");
    }
}
