//! The schema of every API shape, the dynamic value between wire and types, and validation in AWS's words.
