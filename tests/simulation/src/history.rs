//! What clients asked one entity and were answered, and whether one order of events explains all of it.

use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};

/// Histories of one entity.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Commands by the time when their clients first sent them; the answer may be missing.
    pub adds: Vec<Asked>,
    /// Reads, all of them answered.
    pub reads: Vec<Asked>,
}

/// One question, and its answer.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// The command's token; 0 for a read.
    pub token: u64,
    /// When it was first sent.
    pub from: u64,
    /// When it was answered.
    pub until: Option<u64>,
    /// The place that was answered, or the number of entries that were read.
    pub answer: Option<u64>,
}

/// Histories of at most this many answered questions also go through stateright's tester, whose work grows with the
/// number of orders.
const TESTED: usize = 12;

impl History {
    /// Whether there is one order in which every command has the place that it was answered with, every reader saw what
    /// was there, and nothing that had ended came after something that began later.
    ///
    /// # Errors
    /// Two of them that have no order.
    pub fn is_linearizable(&self) -> Result<(), String> {
        let mut placed: Vec<&Asked> = self.adds.iter().filter(|add| add.answer.is_some()).collect();
        placed.sort_by_key(|add| add.answer);
        for pair in placed.windows(2) {
            if let [one, other] = pair
                && one.answer == other.answer
            {
                return Err(format!("{} and {} have the same place", one.token, other.token));
            }
        }
        let ended_before = |one: &Asked, other: &Asked| one.until.is_some_and(|until| until < other.from);
        for (index, later) in placed.iter().enumerate() {
            if let Some(earlier) = placed.iter().take(index).find(|earlier| ended_before(later, earlier)) {
                return Err(format!("{} had ended before {} began, and has a later place", later.token, earlier.token));
            }
        }
        self.reads.iter().try_for_each(|read| Self::explains(&placed, read))?;
        for read in &self.reads {
            if let Some(older) = self.reads.iter().find(|other| ended_before(read, other) && other.answer < read.answer)
            {
                return Err(format!("a reader saw {:?} entries, and later one saw {:?}", read.answer, older.answer));
            }
        }
        if placed.len() + self.reads.len() <= TESTED && !self.tested(&placed) {
            return Err("no order explains it".to_owned());
        }
        Ok(())
    }

    /// A reader sees everything that had ended before it asked, and nothing that began after it was answered.
    fn explains(placed: &[&Asked], read: &Asked) -> Result<(), String> {
        for add in placed {
            let seen = add.answer <= read.answer;
            if !seen && add.until.is_some_and(|until| until < read.from) {
                return Err(format!("{} had ended, and a later reader did not see it", add.token));
            }
            if seen && read.until.is_some_and(|until| until < add.from) {
                return Err(format!("{} was read before it was sent", add.token));
            }
        }
        Ok(())
    }

    /// The same question to stateright's tester, which knows nothing of places. Entries that no client of this history
    /// has an answer for (of effects, or of posts whose answer was lost) are operations that never returned.
    fn tested(&self, placed: &[&Asked]) -> bool {
        let answered = placed.iter().copied().chain(&self.reads);
        let mut marks: Vec<(u64, bool, usize, &Asked)> = Vec::new();
        for (thread, asked) in answered.enumerate() {
            marks.push((asked.from, false, thread, asked));
            marks.push((asked.until.unwrap_or(u64::MAX), true, thread, asked));
        }
        // At one point in time questions come before answers: then they overlap, which forbids nothing.
        marks.sort_by_key(|(time, returns, thread, _)| (*time, *returns, *thread));
        let places = placed.iter().filter_map(|add| add.answer).collect();
        let mut tester = LinearizabilityTester::new(Places { places, reached: 0 });
        for (_, returns, thread, asked) in marks {
            let done = if returns {
                tester.on_return(thread, asked.answer.unwrap_or_default()).is_ok()
            } else {
                tester.on_invoke(thread, asked.token != 0).is_ok()
            };
            if !done {
                return false;
            }
        }
        tester.is_consistent()
    }
}

/// A log as a sequential object: a command gets the next place that is not taken by somebody without an answer, a
/// reader the number of entries, which lies between the places answered before and after it.
#[derive(Clone, Debug)]
struct Places {
    /// The places that were answered, in order.
    places: Vec<u64>,
    /// Up to where the log has grown.
    reached: u64,
}

impl SequentialSpec for Places {
    /// Whether it is a command, rather than a read.
    type Op = bool;
    type Ret = u64;

    fn invoke(&mut self, op: &bool) -> u64 {
        if *op {
            self.reached = self.places.iter().copied().find(|place| *place > self.reached).unwrap_or(u64::MAX);
        }
        self.reached
    }

    fn is_valid_step(&mut self, op: &bool, answer: &u64) -> bool {
        if *op {
            return self.invoke(op) == *answer;
        }
        // Entries without an answer may lie between: the log may have grown by them before the read.
        let next = self.places.iter().copied().find(|place| *place > self.reached).unwrap_or(u64::MAX);
        let fits = *answer >= self.reached && *answer < next;
        if fits {
            self.reached = *answer;
        }
        fits
    }
}
