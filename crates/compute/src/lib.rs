//! Lambda: functions, versions, invocation.
