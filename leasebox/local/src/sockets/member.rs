//! The connections that are open, each with the one who must tell its end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;

use crate::sockets::connection::Connection;
use crate::sockets::ending::End;
use crate::sockets::{Gateway, Handlers, Settings, event};

/// The connections that pushes reach, by id.
#[derive(Debug, Default)]
pub(super) struct Open(Mutex<HashMap<String, Arc<Connection>>>);

impl Open {
    pub(super) fn find(&self, id: &str) -> Option<Arc<Connection>> {
        self.all().get(id).cloned()
    }

    /// Takes one in, if there is room for it.
    fn enter(&self, connection: &Arc<Connection>, settings: &Settings) -> Result<(), Full> {
        let mut all = self.all();
        let of_one = all.values().filter(|other| other.user() == connection.user()).count();
        if of_one >= settings.most_of_one {
            return Err(Full::OfOne(settings.most_of_one));
        }
        if all.len() >= settings.most {
            return Err(Full::All(settings.most));
        }
        all.insert(connection.facts.id.clone(), Arc::clone(connection));
        Ok(())
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Arc<Connection>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why there is no room for another connection: there are as many as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// Of its user.
    OfOne(usize),
    /// In all.
    All(usize),
}

/// A connection that pushes reach while this is there. They do so from before `$connect` is handled, so that none is
/// told "gone" of a connection that is just coming.
pub(super) struct Reachable<H: Handlers> {
    gateway: Gateway<H>,
    connection: Arc<Connection>,
}

impl<H: Handlers> Reachable<H> {
    pub(super) fn new(gateway: &Gateway<H>, connection: Connection) -> Result<Self, Full> {
        let connection = Arc::new(connection);
        gateway.0.open.enter(&connection, &gateway.0.settings)?;
        Ok(Self { gateway: gateway.clone(), connection })
    }

    /// Whom it reaches.
    pub(super) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }
}

impl<H: Handlers> Drop for Reachable<H> {
    fn drop(&mut self) {
        self.gateway.0.open.all().remove(&self.connection.facts.id);
    }
}

/// A connection that `$connect` has let in. Its end is told when this is dropped, however that comes: also when the
/// client has left before its socket was there.
pub(super) struct Member<H: Handlers> {
    reachable: Option<Reachable<H>>,
    end: End,
}

impl<H: Handlers> Member<H> {
    pub(super) fn new(reachable: Reachable<H>) -> Self {
        Self { reachable: Some(reachable), end: End::broken() }
    }

    /// The connection and what it belongs to.
    pub(super) fn parts(&self) -> Option<(Gateway<H>, Arc<Connection>)> {
        self.reachable.as_ref().map(|reachable| (reachable.gateway.clone(), Arc::clone(&reachable.connection)))
    }

    /// Ends it.
    pub(super) fn leave(mut self, end: End) {
        self.end = end;
    }
}

impl<H: Handlers> Drop for Member<H> {
    fn drop(&mut self) {
        let Some((gateway, connection)) = self.parts() else { return };
        // Whoever hears of the end can rely on it that pushes are told "gone".
        self.reachable = None;
        let Ok(runtime) = Handle::try_current() else { return };
        let event = event::disconnect(&connection, &self.end, (gateway.0.clock)());
        let tracker = gateway.0.invocations.clone();
        // What becomes of it is in the log: there is nobody left to tell.
        tracker.spawn_on(async move { gateway.call(&event).await.map(drop) }, &runtime);
    }
}
