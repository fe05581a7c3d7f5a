//! Sampling: the default rule, which is the only one as long as rules cannot be made.

use base::{Cx, Error, Timestamp};
use cloud::{Authz, Meta, Operation};
use shape::Shape;

use crate::traces::{XRay, invalid};

/// X-Ray's default rule: one request each second, and 5 % of the others.
const RULE: &str = "Default";
const RESERVOIR: i32 = 1;
const RATE: f64 = 0.05;
const PRIORITY: i32 = 10_000;

/// How long a quota is good, and how often SDKs report; AWS's seconds.
const INTERVAL_SECS: i32 = 10;

/// Rules of one request; AWS's number.
const DOCUMENTS_MAX: usize = 25;

/// Lists the rules by which requests are sampled.
#[derive(Shape)]
pub struct GetSamplingRules {
    /// Continues after an earlier page; there is one page only.
    pub next_token: Option<String>,
}

/// The rules.
#[derive(Shape)]
pub struct GetSamplingRulesResponse {
    /// The rules.
    pub sampling_rule_records: Vec<SamplingRuleRecord>,
    /// Continues after this page.
    pub next_token: Option<String>,
}

/// A rule and its age.
#[derive(Shape)]
pub struct SamplingRuleRecord {
    /// The rule.
    pub sampling_rule: Option<SamplingRule>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    pub modified_at: Option<Timestamp>,
}

/// A rule.
#[derive(Shape)]
pub struct SamplingRule {
    /// Its name.
    pub rule_name: Option<String>,
    /// Its ARN.
    #[shape(name = "RuleARN")]
    pub rule_arn: Option<String>,
    /// The resources it is for.
    #[shape(name = "ResourceARN")]
    pub resource_arn: String,
    /// The lower, the earlier it is looked at.
    pub priority: i32,
    /// The share of requests beyond the reservoir.
    pub fixed_rate: f64,
    /// Requests each second that are sampled in any case.
    pub reservoir_size: i32,
    /// The services it is for.
    pub service_name: String,
    /// Their types.
    pub service_type: String,
    /// The hosts it is for.
    pub host: String,
    /// The methods it is for.
    #[shape(name = "HTTPMethod")]
    pub http_method: String,
    /// The paths it is for.
    #[shape(name = "URLPath")]
    pub url_path: String,
    /// The version of its form.
    pub version: i32,
}

impl Operation<XRay> for GetSamplingRules {
    const META: Meta = Meta::read("GetSamplingRules").http("POST", "/GetSamplingRules");
    type Output = GetSamplingRulesResponse;

    fn authorize(&self, _: &Cx, _: &mut Authz) {}

    async fn run(self, _: &XRay, cx: &Cx) -> Result<GetSamplingRulesResponse, Error> {
        let any = || "*".to_owned();
        let rule = SamplingRule {
            rule_name: Some(RULE.to_owned()),
            rule_arn: Some(cx.arn("xray", format!("sampling-rule/{RULE}")).to_string()),
            resource_arn: any(),
            priority: PRIORITY,
            fixed_rate: RATE,
            reservoir_size: RESERVOIR,
            service_name: any(),
            service_type: any(),
            host: any(),
            http_method: any(),
            url_path: any(),
            version: 1,
        };
        let never = Some(Timestamp::from_secs(0));
        let record = SamplingRuleRecord { sampling_rule: Some(rule), created_at: never, modified_at: never };
        Ok(GetSamplingRulesResponse { sampling_rule_records: vec![record], next_token: None })
    }
}

/// Tells what an SDK has sampled, and asks how many it may.
#[derive(Shape)]
pub struct GetSamplingTargets {
    /// By rule.
    pub sampling_statistics_documents: Vec<SamplingStatisticsDocument>,
}

/// What was sampled by a rule.
#[derive(Shape)]
pub struct SamplingStatisticsDocument {
    /// The rule.
    #[shape(length(1..=32))]
    pub rule_name: String,
    /// Who tells.
    #[shape(name = "ClientID", length(24..=24))]
    pub client_id: String,
    /// When.
    pub timestamp: Timestamp,
    /// Requests that the rule was for.
    #[shape(range(0..))]
    pub request_count: i32,
    /// Those that were sampled.
    #[shape(range(0..))]
    pub sampled_count: i32,
    /// Those that were sampled before there was a quota.
    #[shape(range(0..))]
    pub borrow_count: Option<i32>,
}

/// What may be sampled.
#[derive(Shape)]
pub struct GetSamplingTargetsResponse {
    /// By rule.
    pub sampling_target_documents: Vec<SamplingTargetDocument>,
    /// When a rule was last changed.
    pub last_rule_modification: Option<Timestamp>,
    /// Rules that there are not.
    pub unprocessed_statistics: Vec<UnprocessedStatistics>,
}

/// What may be sampled by a rule.
#[derive(Shape)]
pub struct SamplingTargetDocument {
    /// The rule.
    pub rule_name: Option<String>,
    /// The share of requests beyond the quota.
    pub fixed_rate: Option<f64>,
    /// Requests each second.
    pub reservoir_quota: Option<i32>,
    /// How long that is good.
    #[shape(name = "ReservoirQuotaTTL")]
    pub reservoir_quota_ttl: Option<Timestamp>,
    /// Seconds until the next report.
    pub interval: Option<i32>,
}

/// A rule that there is not.
#[derive(Shape)]
pub struct UnprocessedStatistics {
    /// Its name.
    pub rule_name: Option<String>,
    /// What is wrong.
    pub error_code: Option<String>,
    /// In words.
    pub message: Option<String>,
}

impl Operation<XRay> for GetSamplingTargets {
    const META: Meta = Meta::read("GetSamplingTargets").http("POST", "/SamplingTargets");
    type Output = GetSamplingTargetsResponse;

    fn authorize(&self, _: &Cx, _: &mut Authz) {}

    async fn run(self, _: &XRay, cx: &Cx) -> Result<GetSamplingTargetsResponse, Error> {
        if self.sampling_statistics_documents.len() > DOCUMENTS_MAX {
            return Err(invalid(format!("At most {DOCUMENTS_MAX} statistics documents are taken.")));
        }
        let (mut targets, mut unknown) = (Vec::new(), Vec::new());
        for SamplingStatisticsDocument { rule_name, .. } in self.sampling_statistics_documents {
            if rule_name == RULE {
                targets.push(SamplingTargetDocument {
                    rule_name: Some(rule_name),
                    fixed_rate: Some(RATE),
                    reservoir_quota: Some(RESERVOIR),
                    reservoir_quota_ttl: Some(cx.now().plus_millis(i64::from(INTERVAL_SECS) * 1000)),
                    interval: Some(INTERVAL_SECS),
                });
            } else {
                let message = format!("There is no sampling rule {rule_name}.");
                let error_code = Some("InvalidRequestException".to_owned());
                unknown.push(UnprocessedStatistics { rule_name: Some(rule_name), error_code, message: Some(message) });
            }
        }
        Ok(GetSamplingTargetsResponse {
            sampling_target_documents: targets,
            last_rule_modification: Some(Timestamp::from_secs(0)),
            unprocessed_statistics: unknown,
        })
    }
}
