//! What the data planes share: which request is for which API (`address`, `owner`), and the parts of a request's route that
//! are the same for every kind of API.

pub mod address;
pub(crate) mod live;
pub(crate) mod owner;
mod serve;

pub(crate) use serve::refusal;
