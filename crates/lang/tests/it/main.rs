//! The small languages, tested from outside: text in, decisions out.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

mod document;
mod jsonpath;
mod pattern;
mod vtl;
