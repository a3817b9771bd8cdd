//! Every single write of a mailbox, judged by what was there before and what is there after it.

use serde_json::Value;

use crate::actor::Manner;
use crate::oracle::image::{Image, Letter, letter};
use crate::oracle::journal;
use crate::oracle::{Finding, Oracle, Truth};
use crate::table::Wrote;

/// Deaths while an envelope runs, after which it may be given up: told to users, so it does not follow the code.
const STRIKES: u64 = 3;

impl Oracle {
    /// Judges one write. `me` is the acquisition that it was made under; `records` are the items written with it.
    pub(super) fn check_mailbox(&mut self, wrote: &Wrote, me: Option<&[u8]>, records: &[&Wrote]) -> Finding {
        let (old, new) = (Image(wrote.old.as_deref()), Image(wrote.new.as_deref()));
        let pk = wrote.key.pk.clone();
        let mut truth = self.entities.remove(&pk).unwrap_or_default();
        let finding = bookkeeping(old, new)
            .and_then(|()| fenced(old, new, me))
            .and_then(|()| self.queue(&mut truth, &pk, (old, new), records))
            .and_then(|()| self.outbox(&mut truth, &pk, (old, new), records))
            .and_then(|()| journal::added(&mut truth, &pk, (old, new), records));
        self.entities.insert(pk, truth);
        finding
    }

    /// Envelopes leave at the front, each with its effect or with a reason, and join at the back.
    fn queue(&mut self, truth: &mut Truth, pk: &str, (old, new): (Image, Image), records: &[&Wrote]) -> Finding {
        let (before, after) = (old.list("queue"), new.list("queue"));
        let gone = usize::try_from(new.number("head") - old.number("head")).map_err(|_| "the head moved back")?;
        if gone > 0 && is_idle(old) {
            let letters = self.direct(truth, pk, new, gone)?;
            return self.left(truth, (old, new), letters, records);
        }
        let (left, stayed) = before.split_at_checked(gone).ok_or("more envelopes left than there were")?;
        if !after.starts_with(stayed) {
            return Err("the queue lost an envelope, or its order".to_owned());
        }
        if new.number("strikes") > old.number("strikes") {
            let running = u64::try_from(old.number("running")).unwrap_or_default();
            *truth.strikes.entry(running).or_default() += 1;
        }
        let letters = left.iter().map(|envelope| letter(envelope).ok_or("an unreadable envelope left the queue"));
        self.left(truth, (old, new), letters.collect::<Result<_, _>>()?, records)?;
        for envelope in after.iter().skip(stayed.len()) {
            let letter = letter(envelope).ok_or_else(|| format!("an unreadable envelope: {envelope:?}"))?;
            self.joined(truth, pk, letter)?;
        }
        Ok(())
    }

    /// Events that were applied without having been in the queue: their outcomes tell which they are.
    fn direct(&self, truth: &mut Truth, pk: &str, new: Image, gone: usize) -> Result<Vec<Letter>, String> {
        let outcomes = new.last(gone);
        if outcomes.len() != gone || !new.list("queue").is_empty() {
            return Err(format!("{gone} events were applied at once, with {} outcomes", outcomes.len()));
        }
        let letter = |(id, outcome, original): (String, Value, Option<u64>)| {
            let replied = || outcome.pointer("/r/token").and_then(Value::as_u64);
            let refused = || outcome.pointer("/x/detail")?.as_str()?.parse().ok();
            let token = match original {
                // A key may also be that of another event of the same write, which is not yet known.
                Some(original) => truth.sequences.get(&original).copied().or_else(replied).or_else(refused),
                None => replied().or_else(refused),
            };
            let token = token.ok_or_else(|| format!("nobody sent what ends in {outcome}"))?;
            let sent = self.sent.get(&token).filter(|sent| sent.pk == pk);
            let add = sent.ok_or_else(|| format!("{token} was never sent to {pk}"))?.add.clone();
            if !truth.envelopes.insert(id.clone()) {
                return Err(format!("the envelope of {token} was applied twice"));
            }
            truth.stored.insert(token);
            Ok(Letter { id, add, key: original.map(|_| String::new()) })
        };
        outcomes.into_iter().map(letter).collect()
    }

    fn joined(&mut self, truth: &mut Truth, pk: &str, letter: Letter) -> Finding {
        if !truth.envelopes.insert(letter.id.clone()) {
            return Err(format!("the envelope of {} was appended twice", letter.add.token));
        }
        truth.stored.insert(letter.add.token);
        if let Some(key) = letter.key {
            self.delivered.insert((pk.to_owned(), key));
        }
        Ok(())
    }

    fn left(
        &mut self,
        truth: &mut Truth,
        (old, new): (Image, Image),
        left: Vec<Letter>,
        records: &[&Wrote],
    ) -> Finding {
        let (before, after) = (old.entries(), new.entries());
        if !after.starts_with(&before) {
            return Err(format!("the state forgot: {before:?} became {after:?}"));
        }
        let mut added = after.iter().skip(before.len()).copied().peekable();
        let first = u64::try_from(old.number("head")).unwrap_or_default() + 1;
        for (sequence, letter) in (first..).zip(left) {
            truth.sequences.insert(sequence, letter.add.token);
            let dead = records.iter().any(|record| record.key.sk == format!("dead#{sequence:020}"));
            let add = &letter.add;
            if added.peek() == Some(&add.token) {
                added.next();
                truth.apply(sequence, &letter)?;
            } else if dead {
                truth.bury(sequence, &letter)?;
            } else if !truth.is_settled(&letter) {
                return Err(format!("{} left the queue without a trace", add.token));
            }
            if dead && added.peek() == Some(&add.token) {
                return Err(format!("{} was applied and put to the dead letters", add.token));
            }
        }
        match added.next() {
            Some(token) => Err(format!("{token} was applied out of order, or was never posted")),
            None => Ok(()),
        }
    }

    /// Effects join with the commit that causes them, and leave when their receiver has them or in a dead letter.
    fn outbox(&mut self, truth: &mut Truth, pk: &str, (old, new): (Image, Image), records: &[&Wrote]) -> Finding {
        let (before, after) = (old.effects(), new.effects());
        for (place @ (sequence, index), (receiver, add)) in &before {
            if after.contains_key(place) {
                continue;
            }
            let given_up =
                records.iter().any(|record| record.key.sk == format!("undelivered#{sequence:020}#{index:04}"));
            if given_up {
                truth.undelivered.extend(add.as_ref().map(|add| add.token));
                continue;
            }
            let key = format!("o/{pk}/{sequence}/{index}");
            if !self.delivered.contains(&(receiver.clone(), key)) {
                return Err(format!("effect {sequence}/{index} to {receiver} left the outbox undelivered"));
            }
        }
        let joined = after.iter().filter(|(place, _)| !before.contains_key(place));
        let mut told: Vec<(String, u64)> = Vec::new();
        for (_, (receiver, add)) in joined {
            let add = add.as_ref().ok_or("an unreadable effect")?;
            told.push((receiver.clone(), add.token));
            self.effects.entry((pk.to_owned(), receiver.clone())).or_default().push(add.token);
        }
        let expected = std::mem::take(&mut truth.told);
        if told == expected { Ok(()) } else { Err(format!("effects {told:?} were committed, {expected:?} were due")) }
    }
}

impl Truth {
    fn apply(&mut self, sequence: u64, letter: &Letter) -> Finding {
        let add = &letter.add;
        if self.applied.contains(&add.token) {
            return Err(format!("{} was applied twice", add.token));
        }
        if self.dead.contains(&add.token) {
            return Err(format!("{} was applied although it is dead", add.token));
        }
        if add.manner != Manner::Applied {
            return Err(format!("{} was applied although it is {:?}", add.token, add.manner));
        }
        self.applied.push(add.token);
        self.causes.push(journal::Cause::of(sequence, letter));
        self.told.extend(add.told().into_iter().map(|(to, token)| (to.to_string(), token)));
        if let Some(file) = &add.file {
            self.files.insert(file.clone(), add.token);
        }
        Ok(())
    }

    /// What is not poison may be given up only when its runs have killed holders.
    fn bury(&mut self, sequence: u64, letter: &Letter) -> Finding {
        let token = letter.add.token;
        let strikes = self.strikes.get(&sequence).copied().unwrap_or_default();
        if !letter.add.manner.is_poison() && strikes < STRIKES {
            return Err(format!("{token} is innocent and was put to the dead letters after {strikes} strikes"));
        }
        if self.applied.contains(&token) {
            return Err(format!("{token} was applied and put to the dead letters"));
        }
        self.dead.insert(token);
        Ok(())
    }

    /// Whether an envelope may leave without an effect: it changes nothing, is refused by the rules, or repeats a key.
    fn is_settled(&self, letter: &Letter) -> bool {
        let token = letter.add.token;
        let repeated = letter.key.is_some() && (self.applied.contains(&token) || self.dead.contains(&token));
        repeated || letter.add.manner.is_void()
    }
}

/// What holds of every image, and between two.
fn bookkeeping(old: Image, new: Image) -> Finding {
    if new.number("version") != old.number("version") + 1 {
        return Err("the version did not grow by one".to_owned());
    }
    if new.number("bytes") != new.queue_bytes() {
        return Err(format!("{} bytes are noted, {} are queued", new.number("bytes"), new.queue_bytes()));
    }
    let work = !new.list("queue").is_empty() || !new.list("outbox").is_empty();
    // The mark may outlive the work: a holder that goes without knowing whether anybody has posted leaves it.
    if work && new.get("pending").is_none() {
        return Err("there is work, and it is not marked so".to_owned());
    }
    let known = new.known();
    let forgotten = old.known().into_iter().filter(|id| !known.contains(id)).max();
    if new.evicted() < old.evicted() || new.evicted() < forgotten {
        return Err("an id was forgotten that `evicted` does not cover".to_owned());
    }
    Ok(())
}

/// Whether nobody works on an entity, and there is nothing to do.
fn is_idle(old: Image) -> bool {
    let nothing = ["lease", "pending", "attempts", "running"].into_iter().all(|name| old.get(name).is_none());
    nothing && old.list("queue").is_empty() && old.list("outbox").is_empty()
}

/// Only the holder changes what only the holder may change; of an idle entity, whoever writes first.
fn fenced(old: Image, new: Image, me: Option<&[u8]>) -> Finding {
    if me.is_none() && is_idle(old) {
        return Ok(());
    }
    let changed = ["head", "state", "outbox", "sent", "recent", "evicted", "running"]
        .into_iter()
        .find(|name| old.get(name) != new.get(name) && new.0.is_some() && old.0.is_some());
    let held = me.is_some() && old.owner() == me;
    match changed {
        // A takeover clears the mark of the holder that it replaces.
        Some("running") if me.is_none() && new.get("running").is_none() => Ok(()),
        Some(name) if !held => Err(format!("`{name}` was changed by somebody who does not hold the lease")),
        _ => Ok(()),
    }
}
