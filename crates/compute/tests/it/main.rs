//! Lambda's operations, called in-process over a store in memory: what AWS's clients cannot provoke or would have to wait
//! for. Real clients against the real server are in the repository's `tests/`.

#![allow(clippy::unwrap_used, reason = "in a test's helpers too, what is not there fails the test")]

mod account;
mod aliases;
mod asynchronous;
mod cloud_in_memory;
mod code;
mod create;
mod layers;
mod mappings;
mod permissions;
mod restart;
mod tags;
mod update;
mod versions;
mod zips;
