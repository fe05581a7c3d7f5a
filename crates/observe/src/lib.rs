//! What functions and users can see of what happened: CloudWatch Logs.
//!
//! Metrics (CloudWatch) and traces (X-Ray) join this crate when they are built.

pub mod logs;

pub use logs::Logs;
