//! Reading a stream: finding its shards, and reading each once those before it are finished. Where a shard is read up to
//! is kept in the store, so that a crash repeats the batch it interrupted and skips none.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use base::Clock;
use cloud::ports::{Position, Shard, StreamSource};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Key, Record, Store, Table};
use tokio::task::JoinSet;

use super::shard::ShardReader;
use super::{Consumer, Mapping, backoff};
use crate::lambda::event_source_mapping::EventSourcePosition;

/// Places by (mapping, shard).
pub(crate) const CHECKPOINTS: Table<Checkpoint> = Table::new("lambda.event-source-checkpoints");
/// How often new shards are looked for.
const SHARDS_EVERY: Duration = Duration::from_secs(10);
/// Instead of a shard: that the mapping has begun, so that shards which come later are read from their start.
const BEGUN: &str = "";

/// How far a shard has been read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    /// Where to go on.
    pub(crate) position: Position,
    /// The shard is closed and read to its end.
    pub(crate) finished: bool,
    /// The window that is open, if windows are set.
    pub(crate) window: Option<OpenWindow>,
}

impl Record for Checkpoint {}

/// A window that has not ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct OpenWindow {
    pub(crate) start: base::Timestamp,
    /// What the function keeps of it.
    pub(crate) state: Value,
}

impl Checkpoint {
    pub(crate) fn at(position: Position) -> Checkpoint {
        Checkpoint { position, finished: false, window: None }
    }
}

/// The key of a shard's place.
pub(crate) fn checkpoint_key(mapping: &str, shard: &str) -> Key {
    Key::of((mapping, shard))
}

/// A stream that is read.
#[derive(Clone)]
pub(crate) struct StreamPoller {
    pub(crate) stream: Arc<dyn StreamSource>,
    pub(crate) mapping: Arc<Mapping>,
    pub(crate) consumer: Arc<dyn Consumer>,
    pub(crate) store: Store,
    pub(crate) clock: Clock,
}

impl StreamPoller {
    /// Reads on and on; ends by being dropped.
    pub(crate) async fn poll(self) {
        let mut reading = JoinSet::new();
        let (mut begun, mut finished): (HashSet<String>, HashSet<String>) = Default::default();
        let mut failures = 0;
        loop {
            match self.start_shards(&mut reading, &mut begun, &mut finished).await {
                Ok(()) => failures = 0,
                Err(why) => {
                    tracing::warn!(why, source = %self.mapping.source, "a stream's shards cannot be read");
                    tokio::time::sleep(backoff(failures)).await;
                    failures += 1;
                    continue;
                }
            }
            tokio::select! {
                Some(ended) = reading.join_next() => {
                    if let Ok(shard) = ended {
                        finished.insert(shard);
                    }
                }
                () = tokio::time::sleep(SHARDS_EVERY) => {}
            }
        }
    }

    /// Starts reading those shards whose parents have been read to their end.
    async fn start_shards(
        &self,
        reading: &mut JoinSet<String>,
        begun: &mut HashSet<String>,
        finished: &mut HashSet<String>,
    ) -> Result<(), String> {
        let shards = self.stream.shards(&self.mapping.source).await.map_err(|error| error.to_string())?;
        self.begin(&shards).await.map_err(|error| error.to_string())?;
        let known: HashSet<&str> = shards.iter().map(|shard| shard.id.as_str()).collect();
        for shard in &shards {
            if begun.contains(&shard.id) {
                continue;
            }
            let key = checkpoint_key(&self.mapping.id, &shard.id);
            let place = self.store.get(CHECKPOINTS, &key).await.map_err(|error| error.to_string())?;
            let place = place.unwrap_or_else(|| Checkpoint::at(Position::TrimHorizon));
            if place.finished {
                begun.insert(shard.id.clone());
                finished.insert(shard.id.clone());
                continue;
            }
            let waits = |parent: &String| known.contains(parent.as_str()) && !finished.contains(parent);
            if !shard.parents.iter().any(waits) {
                begun.insert(shard.id.clone());
                let reader = ShardReader::new(self.clone(), &shard.id, place);
                let id = shard.id.clone();
                reading.spawn(async move {
                    reader.read().await;
                    id
                });
            }
        }
        Ok(())
    }

    /// Notes where the shards that are there at the very first look begin. "From now on" is written down as a time, so
    /// that a crash before the first batch skips nothing.
    async fn begin(&self, shards: &[Shard]) -> Result<(), store::Error> {
        let settings = &self.mapping.settings;
        let position = match (settings.starting_position, settings.starting_timestamp) {
            (Some(EventSourcePosition::Latest), _) => Position::AtTimestamp(self.clock.now()),
            (Some(EventSourcePosition::AtTimestamp), Some(at)) => Position::AtTimestamp(at),
            _ => Position::TrimHorizon,
        };
        let marker = checkpoint_key(&self.mapping.id, BEGUN);
        if self.store.get(CHECKPOINTS, &marker).await?.is_some() {
            return Ok(());
        }
        let keys: Vec<Key> = shards.iter().map(|shard| checkpoint_key(&self.mapping.id, &shard.id)).collect();
        let begin = move |tx: &mut store::Tx<'_>| {
            for key in keys.iter().chain([&marker]) {
                tx.put(CHECKPOINTS, key, &Checkpoint::at(position.clone()))?;
            }
            Ok::<_, store::Error>(())
        };
        self.store.transact(begin).await
    }
}
