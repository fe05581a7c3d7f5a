//! The store's tests: one suite for every driver, the order of keys, a serializability model, faults, blobs, and a child
//! process killed at random points.

#![allow(clippy::unwrap_used, reason = "in helpers too, a failed unwrap is a failed test")]

mod blobs;
mod changes;
mod crash;
mod embedded;
mod fixture;
mod keys;
mod model;
mod queues;
mod tables;
