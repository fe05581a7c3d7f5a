//! Operation, Service and Resource traits, the front desk, the registry and the ports between services.
