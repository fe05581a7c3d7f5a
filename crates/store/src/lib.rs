//! Ordered transactional tables, leased queues, a change feed and blobs behind one port.
//!
//! What lives here: the [`Store`] handle with its four faces, the ordered-key codec, and the drivers (*embedded*: one
//! directory; *memory*: with seeded faults, for tests). What does not: any knowledge of an AWS service. A service
//! declares its tables and queues as constants and keeps no truth of its own in memory.
//!
//! How it hangs together: a driver knows only raw ordered bytes (`view::View`) and how to run a closure as one
//! serializable transaction (`driver::Driver`). Tables and queues are written once, on top, in [`Tx`]; so every driver
//! gets the same behaviour, and one conformance suite (`tests/it`) can hold them to it.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), store::Error> {
//! use store::{Key, NewMessage, Queue, Record, Scan, Store, Table};
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Function { memory_mb: u32 }
//! impl Record for Function {}
//!
//! const FUNCTIONS: Table<Function> = Table::new("lambda.functions");
//! const ASYNC: Queue = Queue::new("lambda.async");
//!
//! # let store = Store::in_memory(store::system_clock());
//! store.transact(|tx| {
//!     tx.put(FUNCTIONS, &Key::of(("000000000000", "us-east-1", "hello")), &Function { memory_mb: 128 })?;
//!     tx.enqueue(&ASYNC, NewMessage::new("{}"))?; // the outbox: both or neither
//!     Ok::<_, store::Error>(())
//! }).await?;
//! let all = store.snapshot()?.scan(FUNCTIONS, Scan::under(("000000000000", "us-east-1"))).await?;
//! assert_eq!(all.len(), 1);
//! # Ok(()) }
//! ```

mod blob;
mod driver;
mod embedded;
mod error;
mod feed;
mod handle;
mod key;
mod memory;
mod queue;
mod queue_tx;
mod record;
mod scan;
mod tx;
mod view;

pub use blob::{BLOB_BYTES_MAX, BlobId, BlobInfo, BlobWriter, Blobs};
pub use driver::{Clock, Durability, system_clock};
pub use embedded::Embedded;
pub use error::Error;
pub use feed::{CHANGES_PAGE_MAX, CHANGES_RETAINED_MAX, Change, ChangeKind, Changes};
pub use handle::{Snapshot, Store};
pub use key::{FromKey, IntoKey, Key, KeyPart};
pub use memory::{Faults, Memory};
pub use queue::{
    Enqueued, LEASE_BATCH_MAX, Leased, MessageId, NewMessage, PAYLOAD_BYTES_MAX, Queue, QueueCounts, Receipt,
};
pub use record::{Raw, Record, Table};
pub use scan::{SCAN_ITEMS_MAX, Scan};
pub use tx::{KEY_BYTES_MAX, TX_BYTES_MAX, TX_WRITES_MAX, Tx, VALUE_BYTES_MAX};

/// What the store's own functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;
