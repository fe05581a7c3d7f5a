//! Shapes that several operations share.

use shape::{Shape, Value};

use crate::metrics::error::invalid_value;
use crate::metrics::records::Name;

/// A namespace.
#[derive(Shape, Clone, Debug)]
#[shape(name = "Namespace", length(1..=255), pattern = "[^:].*")]
pub struct Namespace(pub String);

/// A metric's name.
#[derive(Shape, Clone, Debug)]
#[shape(name = "MetricName", length(1..=255))]
pub struct MetricName(pub String);

/// A name and a value that tell metrics of one name apart.
#[derive(Shape, Clone, Debug)]
pub struct Dimension {
    /// Its name.
    #[shape(length(1..=255))]
    pub name: String,
    /// Its value.
    #[shape(length(1..=1024))]
    pub value: String,
}

/// A metric.
#[derive(Shape, Clone, Debug, Default)]
pub struct Metric {
    /// Where it belongs.
    pub namespace: Option<Namespace>,
    /// Its name.
    pub metric_name: Option<MetricName>,
    /// What tells it apart from others of its name.
    #[shape(length(0..=30))]
    pub dimensions: Option<Vec<Dimension>>,
}

impl Metric {
    /// Its full name; the model has neither namespace nor name as required, AWS does.
    pub(in crate::metrics) fn full_name(&self, cx: &base::Cx, place: &str) -> Result<Name, base::Error> {
        let missing = |member: &str| crate::metrics::error::missing(format!("{place}.{member}"));
        let namespace = self.namespace.clone().ok_or_else(|| missing("Namespace"))?;
        let metric = self.metric_name.clone().ok_or_else(|| missing("MetricName"))?;
        let dimensions = sorted(self.dimensions.as_deref().unwrap_or_default(), place)?;
        Ok(Name {
            account: cx.account,
            region: cx.region.clone(),
            namespace: namespace.0,
            metric: metric.0,
            dimensions,
        })
    }

    pub(in crate::metrics) fn of(name: &Name) -> Metric {
        let dimension = |(name, value): &(String, String)| Dimension { name: name.clone(), value: value.clone() };
        Metric {
            namespace: Some(Namespace(name.namespace.clone())),
            metric_name: Some(MetricName(name.metric.clone())),
            dimensions: Some(name.dimensions.iter().map(dimension).collect()),
        }
    }
}

/// Dimensions in the order of their names; a name twice is refused.
pub(in crate::metrics) fn sorted(dimensions: &[Dimension], place: &str) -> Result<Vec<(String, String)>, base::Error> {
    let mut pairs: Vec<_> = dimensions.iter().map(|d| (d.name.clone(), d.value.clone())).collect();
    pairs.sort();
    match pairs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        None => Ok(pairs),
        Some(pair) => Err(invalid_value(format!(
            "The parameter {place}.Dimensions must not name the dimension {} more than once.",
            pair[0].0
        ))),
    }
}

/// A unit of measure.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq)]
pub enum StandardUnit {
    /// Time.
    Seconds,
    /// Time.
    Microseconds,
    /// Time.
    Milliseconds,
    /// Size.
    Bytes,
    /// Size.
    Kilobytes,
    /// Size.
    Megabytes,
    /// Size.
    Gigabytes,
    /// Size.
    Terabytes,
    /// Size.
    Bits,
    /// Size.
    Kilobits,
    /// Size.
    Megabits,
    /// Size.
    Gigabits,
    /// Size.
    Terabits,
    /// A share.
    Percent,
    /// A number.
    Count,
    /// A rate.
    #[shape(value = "Bytes/Second")]
    BytesPerSecond,
    /// A rate.
    #[shape(value = "Kilobytes/Second")]
    KilobytesPerSecond,
    /// A rate.
    #[shape(value = "Megabytes/Second")]
    MegabytesPerSecond,
    /// A rate.
    #[shape(value = "Gigabytes/Second")]
    GigabytesPerSecond,
    /// A rate.
    #[shape(value = "Terabytes/Second")]
    TerabytesPerSecond,
    /// A rate.
    #[shape(value = "Bits/Second")]
    BitsPerSecond,
    /// A rate.
    #[shape(value = "Kilobits/Second")]
    KilobitsPerSecond,
    /// A rate.
    #[shape(value = "Megabits/Second")]
    MegabitsPerSecond,
    /// A rate.
    #[shape(value = "Gigabits/Second")]
    GigabitsPerSecond,
    /// A rate.
    #[shape(value = "Terabits/Second")]
    TerabitsPerSecond,
    /// A rate.
    #[shape(value = "Count/Second")]
    CountPerSecond,
    /// None: the default.
    None,
}

impl StandardUnit {
    pub(in crate::metrics) fn text(self) -> String {
        match self.into_value() {
            Value::String(text) => text,
            _ => "None".to_owned(),
        }
    }

    pub(in crate::metrics) fn parse(text: &str) -> Option<StandardUnit> {
        StandardUnit::from_value(Value::String(text.to_owned())).ok()
    }
}
