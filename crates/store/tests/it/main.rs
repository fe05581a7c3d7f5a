//! The store's tests: one suite for every driver, the order of keys, a serializability model, faults, blobs, and a child
//! process killed at random points.

mod blobs;
mod changes;
mod crash;
mod embedded;
mod fixture;
mod keys;
mod model;
mod queues;
mod tables;
