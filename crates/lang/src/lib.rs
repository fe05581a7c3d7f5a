//! The small languages inside AWS's services, pure: text in, decisions out. Event patterns live here; expressions,
//! schedules and templates follow with the services that speak them. No I/O, no clock, no knowledge of a service.

pub mod pattern;
