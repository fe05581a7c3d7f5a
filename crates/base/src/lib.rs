//! Names, ids, time, chance, the request context and the error base: what every floor speaks.
//!
//! Nothing here knows a service, a protocol or a store. Time and chance enter through [`Cx`] (or the [`Clock`] it was
//! made with), so that a test can own both.

pub mod account;
pub mod arn;
pub mod chance;
pub mod clock;
pub mod cx;
pub mod error;
pub mod id;
pub mod region;
pub mod timestamp;

pub use account::AccountId;
pub use arn::Arn;
pub use clock::Clock;
pub use cx::{Caller, CallerKind, Cx, Origin};
pub use error::Error;
pub use region::Region;
pub use timestamp::Timestamp;
