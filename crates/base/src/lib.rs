//! Names, ids, time, chance, the request context and the error base: what every floor speaks.
