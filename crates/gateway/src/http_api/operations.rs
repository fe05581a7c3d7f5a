//! The operations, by noun; each noun is a file.

pub mod api;
pub mod api_mapping;
pub mod authorizer;
pub mod definition;
pub mod deployment;
pub mod domain_name;
pub mod integration;
pub mod integration_response;
pub mod model;
pub mod route;
pub mod route_response;
pub mod stage;
pub mod tag;
pub mod vpc_link;
