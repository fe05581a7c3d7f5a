//! The operations, one file for each noun.

mod batch_get_traces;
mod get_trace_summaries;
mod not_yet;
mod put_trace_segments;
mod sampling;

pub use batch_get_traces::BatchGetTraces;
pub use get_trace_summaries::GetTraceSummaries;
pub(super) use not_yet::NOT_YET;
pub use put_trace_segments::PutTraceSegments;
pub use sampling::{GetSamplingRules, GetSamplingTargets};
