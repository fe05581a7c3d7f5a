//! HTTP in front of functions: how a request becomes an event and a function's answer a response, in payload format 2.0,
//! and how a page elsewhere may ask (CORS). Functions' URLs and HTTP APIs have all of this in common; what is only one's
//! is in the service.

pub mod cors;
pub mod event;
pub mod response;
