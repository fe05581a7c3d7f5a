//! Lambda's operations, called in-process over a store in memory: what AWS's clients cannot provoke or would have to wait for.
