//! How groups, streams and events are stored.
//!
//! Streams and events hang below the group's *id*, not its name: a group deleted and made again starts empty at once,
//! while the old one's events are removed in the background.

use std::collections::BTreeMap;

use base::{AccountId, Region};
use serde::{Deserialize, Serialize};
use store::{Key, Record, Table};

/// Groups by account, region and name.
pub(super) const GROUPS: Table<Group> = Table::new("logs.groups");
/// Streams by group id and name.
pub(super) const STREAMS: Table<Stream> = Table::new("logs.streams");
/// Events by group id, stream name, time and number within the stream: the number of the first, of those in one record.
pub(super) const EVENTS: Table<Events> = Table::new("logs.events");
/// Ranges of events whose owner is gone, by group id and stream name (empty: the whole group).
pub(super) const GARBAGE: Table<Garbage> = Table::new("logs.garbage");

/// A log group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Group {
    pub(super) id: String,
    pub(super) created_ms: i64,
    #[serde(default)]
    pub(super) retention_days: Option<i32>,
    #[serde(default)]
    pub(super) tags: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) class: Option<String>,
}

/// A log stream.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Stream {
    pub(super) created_ms: i64,
    #[serde(default)]
    pub(super) first_event_ms: Option<i64>,
    #[serde(default)]
    pub(super) last_event_ms: Option<i64>,
    #[serde(default)]
    pub(super) last_ingestion_ms: Option<i64>,
    #[serde(default)]
    pub(super) stored_bytes: i64,
    #[serde(default)]
    pub(super) next_number: u64,
}

/// Events that arrived together and are of the same millisecond: one record, since a busy function writes dozens in one.
/// Their time is in the key, their numbers count on from the key's. Stored as ingestion time and plain texts, each after
/// its length.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Events {
    pub(super) ingestion_ms: i64,
    pub(super) messages: Vec<String>,
}

/// Marks a range of events to be removed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Garbage {}

impl Record for Group {}
impl Record for Stream {}
impl Record for Garbage {}

impl Record for Events {
    fn encode(&self, out: &mut Vec<u8>) -> store::Result<()> {
        out.extend_from_slice(&self.ingestion_ms.to_be_bytes());
        for message in &self.messages {
            out.extend_from_slice(&(message.len() as u32).to_be_bytes());
            out.extend_from_slice(message.as_bytes());
        }
        Ok(())
    }

    fn decode(bytes: &[u8]) -> store::Result<Self> {
        let malformed = || store::Error::Malformed("log events");
        let (time, mut rest) = bytes.split_first_chunk::<8>().ok_or_else(malformed)?;
        let mut messages = Vec::new();
        while !rest.is_empty() {
            let (length, after) = rest.split_first_chunk::<4>().ok_or_else(malformed)?;
            let (text, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize).ok_or_else(malformed)?;
            messages.push(String::from_utf8_lossy(text).into_owned());
            rest = after;
        }
        Ok(Events { ingestion_ms: i64::from_be_bytes(*time), messages })
    }
}

pub(super) fn group_key(account: AccountId, region: &Region, name: &str) -> Key {
    Key::of((account.as_str(), region.as_str(), name))
}

pub(super) fn stream_key(group_id: &str, stream: &str) -> Key {
    Key::of((group_id, stream))
}

pub(super) fn event_key(group_id: &str, stream: &str, at: Position) -> Key {
    Key::of((group_id, stream, at.time_ms, at.number))
}

/// Where an event stands within its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) time_ms: i64,
    pub(super) number: u64,
}

impl Position {
    pub(super) fn of(key: &Key) -> Position {
        let parts: Option<(String, String, i64, u64)> = key.parts();
        let (_, _, time_ms, number) = parts.unwrap_or_default();
        Position { time_ms, number }
    }

    /// The place after this one, within the same millisecond.
    pub(super) fn next(self) -> Position {
        Position { number: self.number + 1, ..self }
    }

    /// Before every event of this time or later.
    pub(super) fn start_of(time_ms: i64) -> Position {
        Position { time_ms, number: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_as_they_were_written_and_pieces_are_refused() {
        let events = Events { ingestion_ms: -7, messages: vec!["START\n".into(), String::new(), "ünï".into()] };
        let mut bytes = Vec::new();
        events.encode(&mut bytes).unwrap();
        assert_eq!(Events::decode(&bytes).unwrap(), events);
        for cut in [3, 9, bytes.len() - 1] {
            assert!(Events::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
    }
}
