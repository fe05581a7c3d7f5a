//! The operations, by noun; each noun is a file.

pub mod connection;
