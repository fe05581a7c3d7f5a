//! Protocols from outside: against botocore's reading of them, and against rubbish.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests: a panic is the report")]

mod botocore;
mod client;
mod model;
mod never_panics;
mod refusals;
mod server;
mod tagged;
