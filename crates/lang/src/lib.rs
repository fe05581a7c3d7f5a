//! The small languages inside AWS's services, pure: text in, decisions out. Event patterns, templates (`vtl`) and paths
//! into JSON documents (`jsonpath`) live here; schedules and expressions follow with the services that speak them. No
//! I/O, no clock, no knowledge of a service.

pub mod jsonpath;
pub mod pattern;
pub mod vtl;
