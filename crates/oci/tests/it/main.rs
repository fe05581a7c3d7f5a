//! Images, honest and otherwise. The archives are written header by header, since no archiver makes the dishonest ones.

#![allow(clippy::unwrap_used, reason = "in a test's helpers too, what is not there fails the test")]

mod archives;
mod hostile;
mod layers;
mod made;
