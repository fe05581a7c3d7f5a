//! Isolates and runs code: spawner, pools, zygotes, Runtime API, limits, metering.
