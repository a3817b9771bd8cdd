//! Hosts with their types taken off: what a kind's own code is given, so that it need not be generic over the world.
//!
//! Each call of a store is a boxed future here, which costs nothing beside the database's answer. What runs for every event
//! keeps its types.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_dynamo::Item;

use crate::envelope::Millis;
use crate::host::{Host, ReadHost};
use crate::limits::Settings;
use crate::push::Pushed;
use crate::registry::Registry;
use crate::store::{
    Consistency, Consumed, Delete, Key, Page, Query, ReadStore, Store, StoreError, Transaction, Update, Written,
};
use crate::waiting::Waiting;

type Read<'a> = BoxFuture<'a, Result<(Option<Item>, Consumed), StoreError>>;
type Queried<'a> = BoxFuture<'a, Result<Page, StoreError>>;
type Wrote<'a> = BoxFuture<'a, Result<Written, StoreError>>;

/// What can be read of any host.
trait Reads: Send + Sync {
    fn get(&self, key: Key, consistency: Consistency) -> Read<'_>;
    fn query(&self, query: Query) -> Queried<'_>;
    fn registry(&self) -> &Registry;
    fn settings(&self) -> &Settings;
    fn now(&self) -> Millis;
    fn stopwatch(&self) -> Duration;
    fn random(&self) -> u64;
    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()>;
}

impl<H: ReadHost> Reads for H {
    fn get(&self, key: Key, consistency: Consistency) -> Read<'_> {
        self.store().get(key, consistency).boxed()
    }

    fn query(&self, query: Query) -> Queried<'_> {
        self.store().query(query).boxed()
    }

    fn registry(&self) -> &Registry {
        ReadHost::registry(self)
    }

    fn settings(&self) -> &Settings {
        ReadHost::settings(self)
    }

    fn now(&self) -> Millis {
        ReadHost::now(self)
    }

    fn stopwatch(&self) -> Duration {
        ReadHost::stopwatch(self)
    }

    fn random(&self) -> u64 {
        ReadHost::random(self)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()> {
        ReadHost::sleep(self, duration).boxed()
    }
}

/// What can be done with any host.
trait Writes: Reads {
    fn update(&self, update: Update) -> Wrote<'_>;
    fn transact(&self, transaction: Transaction) -> Wrote<'_>;
    fn delete(&self, delete: Delete) -> Wrote<'_>;
    fn waiting(&self) -> &Waiting;
    fn push<'a>(&'a self, connection: &'a str, message: &'a str) -> BoxFuture<'a, Pushed>;
}

impl<H: Host> Writes for H {
    fn update(&self, update: Update) -> Wrote<'_> {
        self.store().update(update).boxed()
    }

    fn transact(&self, transaction: Transaction) -> Wrote<'_> {
        self.store().transact(transaction).boxed()
    }

    fn delete(&self, delete: Delete) -> Wrote<'_> {
        self.store().delete(delete).boxed()
    }

    fn waiting(&self) -> &Waiting {
        Host::waiting(self)
    }

    fn push<'a>(&'a self, connection: &'a str, message: &'a str) -> BoxFuture<'a, Pushed> {
        Host::push(self, connection, message).boxed()
    }
}

/// Reads entities and side records. It has no way to write, by its type: it is all that a route of `status` is given.
///
/// ```
/// # use shared::erased::Reader;
/// # use shared::host::ReadHost;
/// # use shared::store::{Consistency, Key, ReadStore};
/// # async fn example(reader: Reader, key: Key) {
/// let item = reader.store().get(key, Consistency::Strong).await;
/// # }
/// ```
///
/// ```compile_fail
/// # use shared::erased::Reader;
/// # use shared::host::ReadHost;
/// # use shared::store::{Delete, Store};
/// # async fn example(reader: Reader, delete: Delete) {
/// let gone = reader.store().delete(delete).await;
/// # }
/// ```
#[derive(Clone)]
pub struct Reader(ReadOnly);

/// The store of a [`Reader`].
#[derive(Clone)]
pub struct ReadOnly(Arc<dyn Reads>);

impl Reader {
    /// A reader of what a host has.
    #[must_use]
    pub fn new<H: ReadHost>(host: &H) -> Self {
        Self(ReadOnly(Arc::new(host.clone())))
    }
}

/// Does for an erased host what its own does: all of it is the same for what reads and what writes.
macro_rules! reads {
    ($host:ident, $store:ident) => {
        impl ReadStore for $store {
            fn get(
                &self,
                key: Key,
                consistency: Consistency,
            ) -> impl Future<Output = Result<(Option<Item>, Consumed), StoreError>> + Send {
                self.0.get(key, consistency)
            }

            fn query(&self, query: Query) -> impl Future<Output = Result<Page, StoreError>> + Send {
                self.0.query(query)
            }
        }

        impl ReadHost for $host {
            type Store = $store;

            fn store(&self) -> &$store {
                &self.0
            }

            fn registry(&self) -> &Registry {
                self.0.0.registry()
            }

            fn settings(&self) -> &Settings {
                self.0.0.settings()
            }

            fn now(&self) -> Millis {
                self.0.0.now()
            }

            fn stopwatch(&self) -> Duration {
                self.0.0.stopwatch()
            }

            fn random(&self) -> u64 {
                self.0.0.random()
            }

            fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send {
                self.0.0.sleep(duration)
            }
        }

        impl fmt::Debug for $host {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($host))
            }
        }
    };
}

reads!(Reader, ReadOnly);
reads!(AnyHost, AnyStore);

/// Any host, for code that is written once for all of them: a socket, an operator's command, a route that does several
/// things.
#[derive(Clone)]
pub struct AnyHost(AnyStore);

/// The store of an [`AnyHost`].
#[derive(Clone)]
pub struct AnyStore(Arc<dyn Writes>);

impl AnyHost {
    /// Takes the types off a host, which stays as it is.
    #[must_use]
    pub fn new<H: Host>(host: &H) -> Self {
        Self(AnyStore(Arc::new(host.clone())))
    }
}

impl Store for AnyStore {
    fn update(&self, update: Update) -> impl Future<Output = Result<Written, StoreError>> + Send {
        self.0.update(update)
    }

    fn transact(&self, transaction: Transaction) -> impl Future<Output = Result<Written, StoreError>> + Send {
        self.0.transact(transaction)
    }

    fn delete(&self, delete: Delete) -> impl Future<Output = Result<Written, StoreError>> + Send {
        self.0.delete(delete)
    }
}

impl Host for AnyHost {
    fn waiting(&self) -> &Waiting {
        self.0.0.waiting()
    }

    fn push(&self, connection: &str, message: &str) -> impl Future<Output = Pushed> + Send {
        // The two live shorter than the host: what is boxed owns them.
        let (host, connection, message) = (Arc::clone(&self.0.0), connection.to_owned(), message.to_owned());
        async move { host.push(&connection, &message).await }
    }
}
