//! What the suite runs on: a driver that can be opened, opened again, and has a clock that tests own.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use serde::{Deserialize, Serialize};
use store::{Clock, Embedded, Key, Memory, Raw, Record, Store, Table};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Thing {
    pub(crate) count: u64,
    #[serde(default)]
    pub(crate) note: String,
}
impl Record for Thing {}

pub(crate) const THINGS: Table<Thing> = Table::new("test.things");
pub(crate) const OTHERS: Table<Thing> = Table::new("test.others");
pub(crate) const RAW: Table<Raw> = Table::new("test.raw");

pub(crate) fn thing(count: u64) -> Thing {
    Thing { count, note: String::new() }
}

pub(crate) fn key(name: &str) -> Key {
    Key::of(name)
}

/// A disk on which a driver is opened, closed and opened again.
pub(crate) enum Fixture {
    Memory(Memory, Arc<AtomicI64>),
    Embedded(tempfile::TempDir, Arc<AtomicI64>),
}

impl Fixture {
    pub(crate) fn memory() -> Self {
        Self::Memory(Memory::default(), Arc::new(AtomicI64::new(1_000_000)))
    }

    pub(crate) fn embedded() -> Self {
        Self::Embedded(tempfile::tempdir().unwrap(), Arc::new(AtomicI64::new(1_000_000)))
    }

    pub(crate) fn clock(&self) -> Clock {
        let time = Arc::clone(self.time());
        Arc::new(move || time.load(Ordering::SeqCst))
    }

    pub(crate) fn advance(&self, ms: i64) {
        self.time().fetch_add(ms, Ordering::SeqCst);
    }

    pub(crate) fn now(&self) -> i64 {
        self.time().load(Ordering::SeqCst)
    }

    pub(crate) fn open(&self) -> Store {
        match self {
            Self::Memory(memory, _) => memory.open(self.clock()),
            // A small memtable, so that tests reach the files.
            Self::Embedded(directory, _) => Embedded { memtable_bytes: 64 * 1024, ..Embedded::default() }
                .open(directory.path(), self.clock())
                .unwrap(),
        }
    }

    pub(crate) fn open_again(&self, store: Store) -> Store {
        drop(store);
        self.open()
    }

    fn time(&self) -> &Arc<AtomicI64> {
        match self {
            Self::Memory(_, time) | Self::Embedded(_, time) => time,
        }
    }
}

/// Makes one test per driver of each `async fn(&Fixture)` of the module.
#[macro_export]
macro_rules! on_every_driver {
    ($($name:ident),* $(,)?) => {
        mod on_memory { $(
            #[tokio::test]
            async fn $name() { super::$name(&$crate::fixture::Fixture::memory()).await; }
        )* }
        mod on_embedded { $(
            #[tokio::test]
            async fn $name() { super::$name(&$crate::fixture::Fixture::embedded()).await; }
        )* }
    };
}
