//! What functions and users can see of what happened: CloudWatch Logs, CloudWatch, and the meter of
//! what functions use.
//!
//! Traces (X-Ray) join this crate when they are built.

pub mod logs;
pub mod metrics;
pub mod usage;

pub use logs::Logs;
pub use metrics::CloudWatch;
pub use usage::Usage;
