//! For tests: a signing client, a controllable clock, servers that clean up after themselves.
