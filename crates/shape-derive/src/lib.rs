//! Derives Shape: one struct gives its schema and its conversions.
