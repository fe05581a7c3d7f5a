//! Principals and credentials, and STS's answer to "who am I".
//!
//! Until IAM's users and roles stand there are two kinds of principal: the root of an account (the seeded `test` key of
//! the default account, and any twelve-digit key, which *is* its account), and the sessions of roles, whose credentials
//! carry all they mean in a sealed token, so that issuing them writes nothing.

pub mod principals;
pub mod session;
pub mod sts;

pub use principals::{Identity, Seed};
pub use sts::Sts;
