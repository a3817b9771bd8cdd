//! What waits for one socket's reader. It is bounded: nobody waits for a client that does not read.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::sockets::Settings;
use crate::sockets::ending::End;

/// A queue from many to one socket.
#[derive(Debug)]
pub(super) struct Outgoing {
    state: Mutex<State>,
    /// Tells the one that writes.
    changed: Notify,
    closed: CancellationToken,
    most: usize,
    most_bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    messages: VecDeque<String>,
    bytes: usize,
    pongs: usize,
    end: Option<End>,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queued {
    /// It waits to be sent.
    Waits,
    /// The socket is closed, or is now: its reader has left too much waiting.
    Closed,
}

/// What is to be written next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A text frame.
    Text(String),
    /// Nothing but what the library has of its own.
    Pongs,
    /// A close frame, and nothing after it.
    Close(End),
}

impl Outgoing {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            state: Mutex::default(),
            changed: Notify::new(),
            closed: CancellationToken::new(),
            most: settings.waiting,
            most_bytes: settings.waiting_bytes,
        }
    }

    /// Puts a message behind the others. A queue that is full closes the socket instead.
    pub(super) fn push(&self, message: String) -> Queued {
        let mut state = self.state();
        if state.end.is_some() {
            return Queued::Closed;
        }
        if state.messages.len() >= self.most || state.bytes + message.len() > self.most_bytes {
            drop(state);
            self.give_up();
            return Queued::Closed;
        }
        state.bytes += message.len();
        state.messages.push_back(message);
        self.changed.notify_one();
        Queued::Waits
    }

    /// Notes that the library has a pong to write. Too many that wait close the socket, as messages do.
    pub(super) fn pong(&self) {
        let mut state = self.state();
        if state.end.is_some() {
            return;
        }
        state.pongs += 1;
        let most = state.pongs > self.most;
        drop(state);
        if most { self.give_up() } else { self.changed.notify_one() }
    }

    /// Closes the socket of a reader who has left too much waiting.
    pub(super) fn give_up(&self) {
        let mut state = self.state();
        (state.messages, state.bytes) = (VecDeque::new(), 0);
        drop(state);
        self.close(End::too_slow());
    }

    /// Closes the socket once what waits is written. The first reason stands.
    pub(super) fn close(&self, end: End) {
        self.state().end.get_or_insert(end);
        self.closed.cancel();
        self.changed.notify_one();
    }

    /// Returns when the socket is to be closed.
    pub(super) async fn closed(&self) -> End {
        self.closed.cancelled().await;
        self.end().unwrap_or_else(End::broken)
    }

    /// Why the socket is to be closed, if it is.
    pub(super) fn end(&self) -> Option<End> {
        self.state().end.clone()
    }

    /// Waits for something to write. One at a time may wait.
    pub(super) async fn next(&self) -> Next {
        loop {
            if let Some(next) = self.take() {
                return next;
            }
            self.changed.notified().await;
        }
    }

    fn take(&self) -> Option<Next> {
        let mut state = self.state();
        // They are written with whatever is written next.
        let pongs = std::mem::take(&mut state.pongs);
        match state.messages.pop_front() {
            Some(message) => {
                state.bytes -= message.len();
                Some(Next::Text(message))
            }
            None => state.end.clone().map(Next::Close).or_else(|| (pongs > 0).then_some(Next::Pongs)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outgoing() -> Outgoing {
        Outgoing::new(&Settings { waiting: 2, waiting_bytes: 10, ..Settings::default() })
    }

    #[tokio::test]
    async fn what_waits_is_written_before_the_end_and_nothing_after_it() {
        let outgoing = outgoing();
        assert_eq!(outgoing.push("a".to_owned()), Queued::Waits);
        assert_eq!(outgoing.push("b".to_owned()), Queued::Waits);
        outgoing.close(End::deleted());
        outgoing.close(End::going_away());
        assert_eq!(outgoing.push("c".to_owned()), Queued::Closed);
        assert_eq!(outgoing.closed().await, End::deleted());
        for next in [Next::Text("a".to_owned()), Next::Text("b".to_owned()), Next::Close(End::deleted())] {
            assert_eq!(outgoing.next().await, next);
        }
    }

    #[tokio::test]
    async fn too_many_messages_or_bytes_close_it() {
        for messages in [vec!["a", "b", "c"], vec!["aaaaaaaa", "bbb"]] {
            let outgoing = outgoing();
            let queued: Vec<_> = messages.iter().map(|message| outgoing.push((*message).to_owned())).collect();
            assert_eq!(queued.last(), Some(&Queued::Closed));
            assert_eq!(queued.iter().filter(|queued| **queued == Queued::Waits).count(), messages.len() - 1);
            assert_eq!(outgoing.next().await, Next::Close(End::too_slow()));
        }
    }

    #[tokio::test]
    async fn too_many_pongs_close_it_and_what_is_written_takes_them_along() {
        let outgoing = outgoing();
        outgoing.pong();
        outgoing.pong();
        assert_eq!(outgoing.next().await, Next::Pongs);
        outgoing.pong();
        outgoing.push("a".to_owned());
        assert_eq!(outgoing.next().await, Next::Text("a".to_owned()));
        (0..2).for_each(|_| outgoing.pong());
        assert_eq!(outgoing.end(), None);
        outgoing.pong();
        assert_eq!(outgoing.next().await, Next::Close(End::too_slow()));
    }

    #[tokio::test]
    async fn what_is_written_makes_room() {
        let outgoing = outgoing();
        for _ in 0..100 {
            assert_eq!(outgoing.push("12345678".to_owned()), Queued::Waits);
            assert_eq!(outgoing.next().await, Next::Text("12345678".to_owned()));
        }
    }
}
