//! The WebSocket connections of this node, by id, and what bounds them together. They live here and nowhere else: nothing of
//! them is stored, and a node that ends closes them.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base::{AccountId, Timestamp};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::connection::{Client, Connection, Ending, Place};

/// Connections of a node; AWS has no such number (500 new ones a second for at most two hours). Further ones are refused.
const CONNECTIONS_MAX: usize = 20_000;

/// What all outboxes together may hold, in KB.
const OUTBOXES_KB_MAX: usize = 64 * 1024;

/// What all messages that are being worked on may hold, in KB; further ones stay in their sockets.
const MESSAGES_KB_MAX: usize = 64 * 1024;

/// How long connections may live.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// Without a frame in either direction. AWS's is 10 minutes.
    pub idle: Duration,
    /// In all. AWS's is 2 hours.
    pub whole: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Lifetimes { idle: Duration::from_secs(10 * 60), whole: Duration::from_secs(2 * 60 * 60) }
    }
}

/// All connections.
pub(crate) struct Connections {
    by_id: RwLock<HashMap<String, Arc<Connection>>>,
    places: Arc<Semaphore>,
    outboxes: Arc<Semaphore>,
    messages: Arc<Semaphore>,
    /// The last connection has gone.
    emptied: Notify,
    pub(crate) lifetimes: Lifetimes,
}

/// A connection's place among all; given free when it is dropped, which takes the connection out.
pub(crate) struct Held {
    connections: crate::Gateway,
    pub(crate) connection: Arc<Connection>,
    _place: OwnedSemaphorePermit,
}

impl Connections {
    pub(crate) fn new(lifetimes: Lifetimes) -> Connections {
        Connections {
            by_id: RwLock::default(),
            places: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            outboxes: Arc::new(Semaphore::new(OUTBOXES_KB_MAX)),
            messages: Arc::new(Semaphore::new(MESSAGES_KB_MAX)),
            emptied: Notify::new(),
            lifetimes,
        }
    }

    /// A connection for a client who asks for one, with its place; none if there are too many, or the node ends.
    pub(crate) fn admit(
        &self,
        place: Place,
        account: AccountId,
        client: Client,
        now: Timestamp,
    ) -> Option<(Connection, OwnedSemaphorePermit)> {
        let permit = self.places.clone().try_acquire_owned().ok()?;
        Some((Connection::new(place, account, client, now, self.outboxes.clone()), permit))
    }

    /// The connection of this id, if it is open.
    pub(crate) fn find(&self, id: &str) -> Option<Arc<Connection>> {
        let connections = self.by_id.read().unwrap_or_else(PoisonError::into_inner);
        connections.get(id).filter(|connection| connection.is_open()).cloned()
    }

    /// Room for a message of so many bytes, waited for.
    pub(crate) async fn room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let kilobytes = u32::try_from(bytes / 1024 + 1).unwrap_or(u32::MAX);
        self.messages.clone().acquire_many_owned(kilobytes).await.ok()
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.by_id.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Closes those that meet a condition; what waits for them is sent before.
    pub(crate) fn close(&self, ending: &Ending, is_meant: impl Fn(&Connection) -> bool) {
        let connections = self.by_id.read().unwrap_or_else(PoisonError::into_inner);
        for connection in connections.values().filter(|connection| is_meant(connection)) {
            connection.outbox.close(ending.clone());
        }
    }

    /// Takes no further connections, closes those there are and waits for their end, which includes their `$disconnect`.
    pub(crate) async fn end(&self, patience: Duration) {
        self.places.close();
        self.close(&Ending::going_away(), |_| true);
        let gone = async {
            loop {
                let emptied = self.emptied.notified();
                if self.count() == 0 {
                    return;
                }
                emptied.await;
            }
        };
        if tokio::time::timeout(patience, gone).await.is_err() {
            tracing::warn!("{} WebSocket connections did not end in time and were cut off", self.count());
        }
    }
}

impl crate::Gateway {
    /// Closes the connections of an API, or of one of its stages, that is no more.
    pub(crate) fn end_connections_of(&self, api_id: &str, stage_name: Option<&str>) {
        let is_meant = |connection: &Connection| {
            let Place { api_id: api, stage } = &connection.place;
            **api == *api_id && stage_name.is_none_or(|name| **stage == *name)
        };
        self.connections.close(&Ending::going_away(), is_meant);
    }

    /// Closes all connections and waits for their end, as long as it has patience.
    pub async fn end_connections(&self, patience: Duration) {
        self.connections.end(patience).await;
    }
}

impl Held {
    /// Makes a connection known under its id.
    pub(crate) fn hold(gateway: &crate::Gateway, connection: Connection, place: OwnedSemaphorePermit) -> Held {
        let connection = Arc::new(connection);
        let mut by_id = gateway.connections.by_id.write().unwrap_or_else(PoisonError::into_inner);
        by_id.insert(connection.id.clone(), connection.clone());
        drop(by_id);
        Held { connections: gateway.clone(), connection, _place: place }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let connections = &self.connections.connections;
        let mut by_id = connections.by_id.write().unwrap_or_else(PoisonError::into_inner);
        by_id.remove(&self.connection.id);
        let is_empty = by_id.is_empty();
        drop(by_id);
        if is_empty {
            connections.emptied.notify_waiters();
        }
    }
}
