//! HTTP as AWS speaks it: protocols as schema interpreters, SigV4, chunked and compressed bodies, event streams.

pub mod body;
pub mod client;
pub mod eventstream;
pub mod protocol;
pub mod route;
pub mod server;
pub mod sigv4;
mod stream;
pub mod upgrade;
