//! What must be true when everything has come to rest.

use std::collections::BTreeMap;

use shared::limits::Settings;
use shared::store::Key;
use shared::table;

use crate::oracle::image::{Image, letter};
use crate::oracle::{Finding, Oracle, Truth, journal};
use crate::table::Table;

/// Judges a world that has come to rest.
///
/// # Errors
/// What is not as it must be.
pub fn at_rest(oracle: &Oracle, table: &Table) -> Finding {
    for (pk, truth) in &oracle.entities {
        let mailbox = table.version(&Key::new(pk, table::MAILBOX), None);
        let image = Image(mailbox.as_deref());
        settled(pk, image)?;
        if image.entries() != truth.applied {
            return Err(format!("{pk} holds {:?}, applied were {:?}", image.entries(), truth.applied));
        }
        files(pk, truth, table)?;
        journal::whole(pk, image, table)?;
        oracle.commands(pk, truth, image)?;
        oracle.received(pk, truth, image, table)?;
    }
    Ok(())
}

/// Nothing waits, unless an operator must release the entity: then poison is at the head of its queue.
fn settled(pk: &str, image: Image) -> Finding {
    if image.owner() == Some(table::BLOCKED) {
        let head = image.list("queue").first().and_then(letter);
        return match head {
            Some(head) if head.add.manner.is_poison() || image.number("strikes") >= 3 => Ok(()),
            _ => Err(format!("{pk} is blocked, and its first envelope is innocent")),
        };
    }
    if image.get("pending").is_some() || image.owner().is_some() {
        let (queue, outbox) = (image.list("queue").len(), image.list("outbox").len());
        return Err(format!("{pk} never comes to rest: {queue} envelopes and {outbox} effects wait for ever"));
    }
    Ok(())
}

fn files(pk: &str, truth: &Truth, table: &Table) -> Finding {
    let stored: BTreeMap<String, Option<i128>> = table
        .keys(pk, "data#")
        .map(|(key, item)| {
            let record = match item.get("record") {
                Some(serde_dynamo::AttributeValue::M(record)) => {
                    record.get("token").and_then(crate::expression::integer)
                }
                _ => None,
            };
            (key.sk.trim_start_matches("data#").to_owned(), record)
        })
        .collect();
    let expected = truth.files.iter().map(|(name, token)| (name.clone(), Some(i128::from(*token)))).collect();
    if stored == expected { Ok(()) } else { Err(format!("{pk} has records {stored:?}, not {expected:?}")) }
}

impl Oracle {
    /// Every command that a client was told of is where it was said to be.
    fn commands(&self, pk: &str, truth: &Truth, image: Image) -> Finding {
        let queued: Vec<u64> = image.list("queue").iter().filter_map(letter).map(|letter| letter.add.token).collect();
        let mut sent: Vec<_> = self.sent.iter().filter(|(_, sent)| sent.pk == pk).collect();
        sent.sort_by_key(|(token, _)| **token);
        for (token, sent) in sent {
            let applied = truth.has(*token);
            let kept = applied || truth.dead.contains(token) || queued.contains(token);
            if sent.acknowledged && !kept && !(sent.add.manner.is_void() && truth.stored.contains(token)) {
                return Err(format!("{token} was acknowledged and is lost"));
            }
            if sent.refused && truth.stored.contains(token) {
                return Err(format!("{token} was refused, and is stored all the same"));
            }
        }
        Ok(())
    }

    /// Every effect reached its receiver once, in order of its sender, or was given up, or waits with a blocked sender.
    fn received(&self, pk: &str, truth: &Truth, image: Image, table: &Table) -> Finding {
        let blocked = image.owner() == Some(table::BLOCKED);
        for ((sender, _), effects) in self.effects.iter().filter(|((_, receiver), _)| receiver == pk) {
            let sender_mailbox = table.version(&Key::new(sender, table::MAILBOX), None);
            let waits = Image(sender_mailbox.as_deref()).effects();
            let given_up = |token: &u64| {
                truth.dead.contains(token)
                    || waits.values().any(|(_, add)| add.as_ref().is_some_and(|add| add.token == *token))
                    || self.entities.get(sender).is_some_and(|sender| sender.undelivered.contains(token))
            };
            let arrived: Vec<u64> = truth.applied.iter().filter(|token| effects.contains(token)).copied().collect();
            // What waits with a blocked sender may have arrived, and not have been ticked off.
            let mut due: Vec<u64> =
                effects.iter().filter(|token| arrived.contains(token) || !given_up(token)).copied().collect();
            if blocked {
                due.truncate(arrived.len());
            }
            if arrived != due {
                return Err(format!("{pk} got {arrived:?} from {sender}, not {due:?}"));
            }
        }
        Ok(())
    }
}

/// How long after the last fault everything must have come to rest, in milliseconds: what was on its way arrives, what
/// was frozen thaws, and whoever died holding a lease is replaced after lease, margin and two looks (invariant 6), as is
/// each of those that die on a deadly envelope. Effects that did not get through wait up to five minutes more.
#[must_use]
pub fn patience(settings: &Settings, deadly: u64) -> u64 {
    const ON_THE_WAY: u64 = 40_000 + 60_000 + 60_000 + 90_000;
    const OUTBOX_PAUSE: u64 = 300_000;
    const LOOKS: u64 = 2_000;
    // A dead holder; two deaths that make an entity suspect and three strikes, for each deadly envelope.
    let takeovers = 2 + 6 * deadly;
    ON_THE_WAY + OUTBOX_PAUSE + takeovers * (settings.lease_ms + settings.margin_ms + LOOKS)
}
