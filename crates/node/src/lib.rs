//! One Updraft node: its configuration, what it is wired from, and the endpoints that are its own rather than AWS's.
//!
//! `app` parses the command line and calls [`Node::start`]; everything a node is made of is put together in `wiring`, in
//! plain calls, and nowhere else.

pub mod config;
mod credentials;
mod exposition;
mod hooks;
mod house;
mod images;
mod keep_events;
pub mod status;
mod wiring;

pub use config::{Config, Settings};
pub use house::developing::{KeptEvents, WholeEvent};
pub use observe::usage;
pub use wiring::{Node, StartError, schemas};
