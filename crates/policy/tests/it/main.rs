//! Documents in, decisions out.

mod documents;
mod evaluation;
