//! Principals, credentials and STS.
