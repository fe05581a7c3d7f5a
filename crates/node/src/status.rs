//! What `updraft status` shows: one document, made by the server and read by the command.

use serde::{Deserialize, Serialize};

/// A running node.
#[derive(Debug, Serialize, Deserialize)]
pub struct Status {
    /// Updraft's version.
    pub version: String,
    /// Seconds since it became ready.
    pub uptime_secs: u64,
    /// The addresses it listens on.
    pub listen: Vec<String>,
    /// The directory of its state.
    pub data_dir: String,
    /// `enforce`, `warn` or `off`.
    pub iam: String,
    /// The services it offers and how many operations of each.
    pub services: Vec<ServiceStatus>,
    /// The layers of isolation.
    pub layers: Vec<LayerStatus>,
    /// The pools of parked sandboxes.
    pub pools: Vec<PoolStatus>,
}

/// A service.
#[derive(Debug, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// `lambda`.
    pub name: String,
    /// Operations it answers.
    pub operations: usize,
    /// Operations that answer `NotImplemented`.
    pub not_yet: usize,
}

/// A layer of isolation.
#[derive(Debug, Serialize, Deserialize)]
pub struct LayerStatus {
    /// `seccomp`.
    pub name: String,
    /// Why it is degraded; none if it stands.
    pub degraded: Option<String>,
    /// What to do about it.
    pub fix: String,
}

/// A pool of parked sandboxes.
#[derive(Debug, Serialize, Deserialize)]
pub struct PoolStatus {
    /// The interpreter in it.
    pub name: String,
    /// Parked and ready.
    pub ready: usize,
    /// How many it keeps.
    pub target: usize,
    /// Launches from the pool, by forking, and from nothing.
    pub launches: [u64; 3],
}
