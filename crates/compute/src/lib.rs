//! Compute services. Today that is Lambda: functions, versions, permissions, tags and (in its own files) invocation.
//!
//! What runs the code is the engine `sandbox`; who may do what is `policy`'s and the front desk's matter; where logs go
//! is a port. This crate says what a function *is*.

pub mod lambda;

pub use lambda::Lambda;
