//! What the data planes share: which request is for which API (`address`, `owner`), and the parts of a request's route that
//! are the same for every kind of API.

#[allow(dead_code, reason = "the data planes that use it come with the next commits")]
pub(crate) mod access_log;
pub mod address;
#[allow(dead_code, reason = "the data planes that use it come with the next commits")]
pub(crate) mod context;
#[allow(dead_code, reason = "the data planes that use it come with the next commits")]
pub(crate) mod integration;
pub(crate) mod live;
#[allow(dead_code, reason = "the data planes that use it come with the next commits")]
pub(crate) mod metrics;
pub(crate) mod owner;
mod serve;
#[allow(dead_code, reason = "the data planes that use it come with the next commits")]
pub(crate) mod throttle;

pub(crate) use serve::refusal;
