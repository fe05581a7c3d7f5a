//! What functions and users can see of what happened: CloudWatch Logs, CloudWatch, X-Ray, and the meter of what functions use.

pub mod logs;
pub mod metrics;
pub mod traces;
pub mod usage;

pub use logs::Logs;
pub use metrics::CloudWatch;
pub use traces::XRay;
pub use usage::Usage;
