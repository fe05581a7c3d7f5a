//! IAM policy documents and their evaluation, pure: text in, decision out.
//!
//! [`Policy::parse`] reads a document strictly, in the words of IAM's `MalformedPolicyDocument`. [`evaluate`] weighs
//! identity, resource, boundary and session policies against one [`Request`]. Nothing here knows where policies are
//! kept, which actions a service has, or what a resource is called.
//!
//! Deliberately absent: service and resource control policies of AWS Organizations, and S3's and KMS's grants beside
//! policies.

mod condition;
mod context;
mod document;
mod evaluate;
mod json;
mod operand;
mod pattern;
mod principal;

pub use context::Context;
pub use document::{Effect, Kind, Malformed, Policy, Statement, TEXT_MAX_BYTES, counted_length};
pub use evaluate::{Attached, Decision, Layer, Policies, Request, Source, evaluate};
pub use principal::Principal;
