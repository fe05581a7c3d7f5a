//! The small languages inside AWS's services, pure: text in, decisions out. Event patterns, templates (`vtl`), paths into
//! JSON documents (`jsonpath`) and the reading of YAML (`document`) live here; schedules and expressions follow with the services that speak them. No
//! I/O, no clock, no knowledge of a service.

pub mod document;
pub mod jsonpath;
pub mod pattern;
pub mod vtl;
