//! Traces for others: every segment that is taken in goes to an OpenTelemetry receiver as well, as OTLP over HTTP in JSON
//! (`--otlp-endpoint`). Segments become spans in [`span`]; [`exporter`] sends them from a task of its own, in batches, and
//! drops what a slow or absent receiver does not take. X-Ray's own copy is not touched by any of it.
//!
//! Built with the cargo feature `otlp` only. Without it nobody can make an [`Endpoint`], and so there is no [`Exporter`].

#[cfg(not(feature = "otlp"))]
mod absent;
#[cfg(feature = "otlp")]
mod exporter;
#[cfg(feature = "otlp")]
mod span;

#[cfg(not(feature = "otlp"))]
pub use absent::Endpoint;
#[cfg(not(feature = "otlp"))]
pub(super) use absent::Exporter;
#[cfg(feature = "otlp")]
pub use exporter::Endpoint;
#[cfg(feature = "otlp")]
pub(super) use exporter::Exporter;

/// Why a receiver's address is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The feature is not there.
    #[error("this build has no OTLP; build it with `cargo build --release -p updraft --features otlp`")]
    NotBuilt,
    /// It is no address of HTTP.
    #[error("'{0}' is no receiver of OTLP over HTTP; use an address like http://localhost:4318")]
    Address(String),
}
