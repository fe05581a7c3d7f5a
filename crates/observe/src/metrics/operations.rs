//! The operations, one file for each.

mod get_metric_data;
mod get_metric_statistics;
mod list_metrics;
mod not_yet;
mod put_metric_data;
pub(super) mod shapes;

pub use get_metric_data::{GetMetricData, MetricDataQuery, MetricStat};
pub use get_metric_statistics::GetMetricStatistics;
pub(super) use get_metric_statistics::check_period;
pub use list_metrics::ListMetrics;
pub(super) use not_yet::NOT_YET;
pub use put_metric_data::PutMetricData;
pub use shapes::StandardUnit;
