//! What functions and users can see of what happened: CloudWatch Logs and CloudWatch.
//!
//! Traces (X-Ray) join this crate when they are built.

pub mod logs;
pub mod metrics;

pub use logs::Logs;
pub use metrics::CloudWatch;
