//! What makes services a cloud: the declaration of operations, the registry that knows them all, the front desk that
//! every request passes, and the narrow ports by which services reach each other's data plane.
//!
//! A service implements [`Service`] and lists its [`Operation`]s; from that list follow routing, decoding, validation,
//! the permission check, the audit record and call-by-name. Services never import each other: for control they go
//! through [`Registry::call`], for data through [`ports`].

pub mod describe;
pub mod desk;
pub mod operation;
pub mod ports;
pub mod proxy;
pub mod registry;
pub mod service;

pub use desk::{Desk, IamMode};
pub use operation::{Access, Authz, Meta, Op, Operation, check, op};
pub use registry::Registry;
pub use service::{NotYet, Service, ServiceId};

/// A boxed future, for the traits that must be objects.
pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;
