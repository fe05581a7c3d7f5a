//! ListMetrics: which metrics there are.

use base::{Cx, Error};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cloud::{Authz, Meta, Operation};
use shape::Shape;
use store::{Key, Scan};

use super::shapes::{self, MetricName, Namespace};
use crate::metrics::CloudWatch;
use crate::metrics::error::{invalid_token, store_failed};
use crate::metrics::records::{METRICS, Metric, Name};

/// Metrics of one answer; AWS's number.
const PAGE_MAX: usize = 500;
/// Metrics read at a time.
const STEP: usize = 1_000;
/// How long a metric without new values is listed: AWS's two weeks.
const LISTED_MS: i64 = 14 * 86_400_000;
/// `PT3H`. AWS shows somewhat older ones as well, up to 50 minutes.
const RECENT_MS: i64 = 3 * 3_600_000 + 50 * 60_000;

/// Lists metrics that got values in the last two weeks.
#[derive(Shape)]
pub struct ListMetrics {
    /// Only of this namespace.
    pub namespace: Option<Namespace>,
    /// Only of this name.
    pub metric_name: Option<MetricName>,
    /// Only with these dimensions, maybe among others.
    #[shape(length(0..=10))]
    pub dimensions: Option<Vec<DimensionFilter>>,
    /// Continues after an earlier page.
    pub next_token: Option<String>,
    /// Only with values of the last three hours.
    pub recently_active: Option<RecentlyActive>,
    /// Those of linked accounts, too; there are none.
    pub include_linked_accounts: Option<bool>,
    /// Only of this account.
    #[shape(length(1..=255))]
    pub owning_account: Option<String>,
}

/// A dimension by its name, and its value if that matters.
#[derive(Shape)]
pub struct DimensionFilter {
    /// Its name.
    #[shape(length(1..=255))]
    pub name: String,
    /// Its value.
    #[shape(length(1..=1024))]
    pub value: Option<String>,
}

/// How recently.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecentlyActive {
    /// Three hours.
    #[shape(value = "PT3H")]
    ThreeHours,
}

/// A page of metrics.
#[derive(Shape)]
pub struct ListMetricsResponse {
    /// The metrics.
    pub metrics: Vec<shapes::Metric>,
    /// Continues after this page.
    pub next_token: Option<String>,
    /// Whose they are; only if those of linked accounts were asked for.
    pub owning_accounts: Option<Vec<String>>,
}

impl Operation<CloudWatch> for ListMetrics {
    const META: Meta = Meta::read("ListMetrics");
    type Output = ListMetricsResponse;

    fn authorize(&self, _: &Cx, _: &mut Authz) {}

    async fn run(self, cloudwatch: &CloudWatch, cx: &Cx) -> Result<ListMetricsResponse, Error> {
        cloudwatch.flush().await;
        let foreign = self.owning_account.as_deref().is_some_and(|account| account != cx.account.as_str());
        let mut found = Vec::new();
        let mut after = self.next_token.as_deref().map(key_of_token).transpose()?;
        let mut more = !foreign;
        while more {
            let mut scan = self.scan(cx).limit(STEP);
            if let Some(after) = after.take() {
                scan = scan.after(after);
            }
            let page = cloudwatch.store.scan(METRICS, scan).await.map_err(store_failed)?;
            more = page.len() == STEP;
            for (key, metric) in page {
                if found.len() == PAGE_MAX {
                    break;
                }
                after = Some(key.clone());
                if self.wants(&key, &metric, cx.now().millis()) {
                    found.extend(name_of(&key, metric));
                }
            }
            if found.len() == PAGE_MAX {
                break;
            }
        }
        let full = found.len() == PAGE_MAX;
        let accounts = vec![cx.account.to_string(); found.len()];
        Ok(ListMetricsResponse {
            metrics: found.iter().map(shapes::Metric::of).collect(),
            next_token: after.filter(|_| full).map(|key| URL_SAFE_NO_PAD.encode(key.as_bytes())),
            owning_accounts: self.include_linked_accounts.filter(|wanted| *wanted).map(|_| accounts),
        })
    }
}

impl ListMetrics {
    fn scan(&self, cx: &Cx) -> Scan {
        let (account, region) = (cx.account.as_str(), cx.region.as_str());
        match (&self.namespace, &self.metric_name) {
            (None, _) => Scan::under((account, region)),
            (Some(namespace), None) => Scan::under((account, region, &*namespace.0)),
            (Some(namespace), Some(name)) => Scan::under((account, region, &*namespace.0, &*name.0)),
        }
    }

    fn wants(&self, key: &Key, metric: &Metric, now_ms: i64) -> bool {
        let horizon = if self.recently_active.is_some() { RECENT_MS } else { LISTED_MS };
        let named = || {
            let name = key.parts::<(String, String, String, String, String)>().map(|parts| parts.3);
            self.metric_name.as_ref().is_none_or(|wanted| name.as_ref() == Some(&wanted.0))
        };
        let has = |filter: &DimensionFilter| {
            let fits = |value: &String| filter.value.as_ref().is_none_or(|wanted| wanted == value);
            metric.dimensions.iter().any(|(name, value)| *name == filter.name && fits(value))
        };
        metric.last_ms >= now_ms - horizon && named() && self.dimensions.iter().flatten().all(has)
    }
}

fn name_of(key: &Key, metric: Metric) -> Option<Name> {
    let (account, region, namespace, name, _) = key.parts::<(String, String, String, String, String)>()?;
    let (account, region) = (base::AccountId::parse(&account)?, base::Region::parse(&region)?);
    Some(Name { account, region, namespace, metric: name, dimensions: metric.dimensions })
}

fn key_of_token(token: &str) -> Result<Key, Error> {
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| invalid_token())?;
    Key::from_bytes(&bytes).map_err(|_| invalid_token())
}
