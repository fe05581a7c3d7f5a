//! What the data planes share: which request is for which API (`address`, `owner`), and the parts of a request's route that
//! are the same for every kind of API.

pub(crate) mod access_log;
pub mod address;
pub(crate) mod authorizer;
pub(crate) mod context;
mod domain;
pub(crate) mod execution_log;
pub(crate) mod head;
pub(crate) mod integration;
pub(crate) mod jwt;
pub(crate) mod keys;
pub(crate) mod live;
pub(crate) mod metrics;
pub(crate) mod owner;
pub(crate) mod schema;
mod serve;
pub(crate) mod throttle;
pub(crate) mod trace;
pub(crate) mod usage;

pub(crate) use serve::refusal;
