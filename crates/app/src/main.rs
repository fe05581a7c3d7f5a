//! The `updraft` binary: reads its command line and hands over to `node`.

fn main() {}
