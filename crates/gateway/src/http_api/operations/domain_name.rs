//! Custom domain names, as version 2 shows them.

use base::{Cx, Error, Timestamp};
use cloud::{Authz, Meta, Operation};
use serde::{Deserialize, Serialize};
use shape::Shape;
use store::Tx;

use crate::Failure;
use crate::control::arn;
use crate::domain::{self, DOMAINS, Domain};
use crate::http_api::ApiGatewayV2;
use crate::http_api::api::check_tags;
use crate::http_api::change::now;
use crate::http_api::error::{bad, conflict};
use crate::http_api::paging::Page;
use crate::http_api::records::{IpAddressType, Texts};

/// Letters and digits of the address that AWS gives a name.
const TARGET_CHARACTERS: usize = 10;

/// What a domain name's certificate proves with.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SecurityPolicy {
    /// TLS 1.0 and later; this server takes 1.2 and later of everybody.
    #[shape(value = "TLS_1_0")]
    Tls10,
    /// TLS 1.2 and later.
    #[shape(value = "TLS_1_2")]
    Tls12,
}

/// Where clients come in.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointType {
    /// In the region.
    #[shape(value = "REGIONAL")]
    Regional,
    /// Near to them.
    #[shape(value = "EDGE")]
    Edge,
}

/// Whether a domain name can be used.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq)]
pub enum DomainNameStatus {
    /// It can.
    #[shape(value = "AVAILABLE")]
    Available,
    /// It is being changed.
    #[shape(value = "UPDATING")]
    Updating,
    /// Its certificate must be imported again.
    #[shape(value = "PENDING_CERTIFICATE_REIMPORT")]
    PendingCertificateReimport,
    /// Its owner has not been verified.
    #[shape(value = "PENDING_OWNERSHIP_VERIFICATION")]
    PendingOwnershipVerification,
}

/// By what a domain name's requests find their API.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoutingMode {
    /// By API mappings.
    #[shape(value = "API_MAPPING_ONLY")]
    ApiMappingOnly,
    /// By routing rules.
    #[shape(value = "ROUTING_RULE_ONLY")]
    RoutingRuleOnly,
    /// By routing rules, and where none fits by API mappings.
    #[shape(value = "ROUTING_RULE_THEN_API_MAPPING")]
    RoutingRuleThenApiMapping,
}

/// An endpoint of a domain name.
#[derive(Shape, Clone, Debug, Default)]
#[shape(rename_all = "camelCase")]
pub struct DomainNameConfiguration {
    /// What a CNAME record would lead to.
    pub api_gateway_domain_name: Option<String>,
    /// ACM's certificate.
    pub certificate_arn: Option<String>,
    /// The name of an uploaded one.
    pub certificate_name: Option<String>,
    /// When that came.
    #[shape(timestamp = "date-time")]
    pub certificate_upload_date: Option<Timestamp>,
    /// Whether it can be used.
    pub domain_name_status: Option<DomainNameStatus>,
    /// Why not.
    pub domain_name_status_message: Option<String>,
    /// Where clients come in.
    pub endpoint_type: Option<EndpointType>,
    /// The zone of the address.
    pub hosted_zone_id: Option<String>,
    /// Which addresses may call it.
    pub ip_address_type: Option<IpAddressType>,
    /// The versions of TLS.
    pub security_policy: Option<SecurityPolicy>,
    /// ACM's proof that the name is its owner's.
    pub ownership_verification_certificate_arn: Option<String>,
}

/// Which clients' certificates are taken.
#[derive(Shape, Clone, Debug, Default)]
#[shape(name = "MutualTlsAuthenticationInput", rename_all = "camelCase")]
pub struct MutualTlsAuthenticationInput {
    /// Where the trusted certificates are.
    pub truststore_uri: Option<String>,
    /// Their version.
    pub truststore_version: Option<String>,
}

/// Which clients' certificates are taken, and what is wrong with the trusted ones.
#[derive(Shape, Clone, Debug, Default)]
#[shape(rename_all = "camelCase")]
pub struct MutualTlsAuthentication {
    /// Where the trusted certificates are.
    pub truststore_uri: Option<String>,
    /// Their version.
    pub truststore_version: Option<String>,
    /// What is wrong with them.
    pub truststore_warnings: Option<Vec<String>>,
}

/// A custom domain name.
#[derive(Shape, Clone, Debug)]
#[shape(rename_all = "camelCase")]
pub struct DomainName {
    /// By what a request finds its mapping.
    pub api_mapping_selection_expression: Option<String>,
    /// The name.
    pub domain_name: String,
    /// Its ARN.
    pub domain_name_arn: Option<String>,
    /// Its endpoints: one.
    pub domain_name_configurations: Option<Vec<DomainNameConfiguration>>,
    /// Which clients' certificates are taken.
    pub mutual_tls_authentication: Option<MutualTlsAuthentication>,
    /// By what requests find their API.
    pub routing_mode: Option<RoutingMode>,
    /// Its tags.
    pub tags: Option<Texts>,
}

impl DomainName {
    fn of(cx: &Cx, domain: Domain) -> DomainName {
        let configuration = DomainNameConfiguration {
            api_gateway_domain_name: Some(domain.target(&cx.region)),
            certificate_name: domain.certificate_name.clone(),
            certificate_upload_date: domain.certificate_uploaded,
            domain_name_status: Some(DomainNameStatus::Available),
            domain_name_status_message: None,
            endpoint_type: Some(if domain.is_edge { EndpointType::Edge } else { EndpointType::Regional }),
            hosted_zone_id: Some(domain.hosted_zone_id(&cx.region).to_owned()),
            ip_address_type: Some(domain.ip_address_type),
            security_policy: match domain.security_policy.as_str() {
                "TLS_1_0" => Some(SecurityPolicy::Tls10),
                "TLS_1_2" => Some(SecurityPolicy::Tls12),
                _ => None,
            },
            ownership_verification_certificate_arn: domain.ownership_certificate_arn.clone(),
            certificate_arn: domain.certificate_arn.clone(),
        };
        DomainName {
            api_mapping_selection_expression: Some("$request.basepath".to_owned()),
            domain_name_arn: Some(domain.arn(cx).to_string()),
            domain_name: domain.name,
            domain_name_configurations: Some(vec![configuration]),
            mutual_tls_authentication: None,
            routing_mode: Some(RoutingMode::ApiMappingOnly),
            tags: Some(domain.tags),
        }
    }
}

/// AWS's words for a domain name that is not there.
pub(crate) fn no_domain() -> Error {
    Error::new(404, "NotFoundException", "Invalid domain name identifier specified")
}

/// What is not built, at once and by name.
fn refuse_unbuilt(mutual_tls: Option<&MutualTlsAuthenticationInput>, mode: Option<RoutingMode>) -> Result<(), Error> {
    if mutual_tls.is_some_and(|mutual_tls| mutual_tls.truststore_uri.as_ref().is_some_and(|uri| !uri.is_empty())) {
        return Err(Error::not_implemented("mutual TLS of custom domain names"));
    }
    match mode {
        None | Some(RoutingMode::ApiMappingOnly) => Ok(()),
        Some(_) => Err(Error::not_implemented("routing by rules")),
    }
}

/// Takes over what a configuration says.
fn apply(domain: &mut Domain, configurations: Option<&[DomainNameConfiguration]>) -> Result<(), Error> {
    let Some(configurations) = configurations else { return Ok(()) };
    let [given] = configurations else {
        return Err(bad("Exactly one domain name configuration must be specified"));
    };
    if given.endpoint_type == Some(EndpointType::Edge) && !domain.is_edge {
        return Err(bad("EDGE endpoints are not supported by this version of the API"));
    }
    let is_certificate =
        |arn: &str| base::Arn::parse(arn).is_some_and(|arn| ["acm", "iam"].contains(&arn.service.as_str()));
    if let Some(arn) = &given.certificate_arn {
        if !is_certificate(arn) {
            return Err(bad(format!("Invalid certificate ARN: {arn}")));
        }
        domain.certificate_arn = Some(arn.clone());
    }
    if domain.certificate_arn.is_none() {
        return Err(bad("A certificate ARN must be provided"));
    }
    if given.certificate_name.is_some() {
        domain.certificate_name.clone_from(&given.certificate_name);
    }
    if given.ownership_verification_certificate_arn.is_some() {
        domain.ownership_certificate_arn.clone_from(&given.ownership_verification_certificate_arn);
    }
    match given.security_policy {
        Some(SecurityPolicy::Tls10) => domain.security_policy = "TLS_1_0".to_owned(),
        Some(SecurityPolicy::Tls12) => domain.security_policy = "TLS_1_2".to_owned(),
        None => {}
    }
    domain.ip_address_type = given.ip_address_type.unwrap_or(domain.ip_address_type);
    Ok(())
}

/// Claims a domain name.
#[derive(Shape)]
#[shape(name = "CreateDomainNameRequest", rename_all = "camelCase")]
pub struct CreateDomainName {
    /// The name.
    pub domain_name: String,
    /// Its endpoints: one.
    pub domain_name_configurations: Option<Vec<DomainNameConfiguration>>,
    /// Which clients' certificates are taken.
    pub mutual_tls_authentication: Option<MutualTlsAuthenticationInput>,
    /// By what requests find their API.
    pub routing_mode: Option<RoutingMode>,
    /// Its tags.
    pub tags: Option<Texts>,
}

impl Operation<ApiGatewayV2> for CreateDomainName {
    const META: Meta = Meta::write("CreateDomainName").http("POST", "/v2/domainnames").status(201);
    type Output = DomainName;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/domainnames")));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<DomainName, Error> {
        if !domain::is_name(&self.domain_name) {
            return Err(bad(format!("Invalid domain name specified: {}", self.domain_name)));
        }
        refuse_unbuilt(self.mutual_tls_authentication.as_ref(), self.routing_mode)?;
        let mut made = Domain {
            name: self.domain_name.to_ascii_lowercase(),
            is_edge: false,
            certificate_arn: None,
            certificate_name: None,
            certificate_uploaded: None,
            ownership_certificate_arn: None,
            security_policy: "TLS_1_2".to_owned(),
            ip_address_type: IpAddressType::Ipv4,
            target_label: format!("d-{}", base::id::lower_alphanumeric(TARGET_CHARACTERS)),
            created: now(cx),
            tags: self.tags.unwrap_or_default(),
        };
        check_tags(&made.tags)?;
        apply(&mut made, Some(self.domain_name_configurations.as_deref().unwrap_or_default()))?;
        let (account, region, stored) = (cx.account, cx.region.clone(), made.clone());
        let added = gateway.0.store.transact(move |tx| domain::add(tx, account, &region, &stored)).await?;
        gateway.0.forget_domain(&made.name).await;
        if !added {
            return Err(conflict("The domain name you provided already exists."));
        }
        Ok(DomainName::of(cx, made))
    }
}

/// Tells a domain name.
#[derive(Shape)]
#[shape(name = "GetDomainNameRequest", rename_all = "camelCase")]
pub struct GetDomainName {
    /// Which.
    #[shape(label)]
    pub domain_name: String,
}

impl Operation<ApiGatewayV2> for GetDomainName {
    const META: Meta = Meta::read("GetDomainName").http("GET", "/v2/domainnames/{domainName}");
    type Output = DomainName;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/domainnames/{}", self.domain_name)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<DomainName, Error> {
        let key = domain::domain_key(cx.account, &cx.region, &self.domain_name);
        let found = gateway.0.store.get(DOMAINS, &key).await.map_err(Failure::from)?;
        Ok(DomainName::of(cx, found.ok_or_else(no_domain)?))
    }
}

/// Lists the domain names of an account in a region.
#[derive(Shape)]
#[shape(name = "GetDomainNamesRequest", rename_all = "camelCase")]
pub struct GetDomainNames {
    /// At most so many; a number.
    #[shape(query = "maxResults")]
    pub max_results: Option<String>,
    /// Where to continue.
    #[shape(query = "nextToken")]
    pub next_token: Option<String>,
}

/// A page of domain names.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct GetDomainNamesResponse {
    /// The domain names.
    pub items: Vec<DomainName>,
    /// There if more follow.
    pub next_token: Option<String>,
}

impl Operation<ApiGatewayV2> for GetDomainNames {
    const META: Meta = Meta::read("GetDomainNames").http("GET", "/v2/domainnames");
    type Output = GetDomainNamesResponse;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/domainnames")));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<GetDomainNamesResponse, Error> {
        let page = Page::of(self.max_results.as_deref(), self.next_token.as_deref())?;
        let under = (cx.account.as_str(), cx.region.as_str());
        let (items, next_token) = page.read(&gateway.0.store, DOMAINS, under).await?;
        let items = items.into_iter().map(|domain| DomainName::of(cx, domain)).collect();
        Ok(GetDomainNamesResponse { items, next_token })
    }
}

/// Changes a domain name. What is not given stays.
#[derive(Shape)]
#[shape(name = "UpdateDomainNameRequest", rename_all = "camelCase")]
pub struct UpdateDomainName {
    /// Which.
    #[shape(label)]
    pub domain_name: String,
    /// Its endpoints: one.
    pub domain_name_configurations: Option<Vec<DomainNameConfiguration>>,
    /// Which clients' certificates are taken.
    pub mutual_tls_authentication: Option<MutualTlsAuthenticationInput>,
    /// By what requests find their API.
    pub routing_mode: Option<RoutingMode>,
}

impl Operation<ApiGatewayV2> for UpdateDomainName {
    const META: Meta = Meta::write("UpdateDomainName").http("PATCH", "/v2/domainnames/{domainName}");
    type Output = DomainName;

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/domainnames/{}", self.domain_name)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<DomainName, Error> {
        refuse_unbuilt(self.mutual_tls_authentication.as_ref(), self.routing_mode)?;
        let key = domain::domain_key(cx.account, &cx.region, &self.domain_name);
        let work = move |tx: &mut Tx<'_>| {
            let mut changed = tx.get(DOMAINS, &key)?.ok_or_else(no_domain)?;
            apply(&mut changed, self.domain_name_configurations.as_deref())?;
            tx.put(DOMAINS, &key, &changed)?;
            Ok::<Domain, Failure>(changed)
        };
        let changed = gateway.0.store.transact(work).await?;
        gateway.0.forget_domain(&changed.name).await;
        Ok(DomainName::of(cx, changed))
    }
}

/// Gives a domain name up, with its mappings.
#[derive(Shape)]
#[shape(name = "DeleteDomainNameRequest", rename_all = "camelCase")]
pub struct DeleteDomainName {
    /// Which.
    #[shape(label)]
    pub domain_name: String,
}

impl Operation<ApiGatewayV2> for DeleteDomainName {
    const META: Meta = Meta::write("DeleteDomainName").http("DELETE", "/v2/domainnames/{domainName}").status(204);
    type Output = ();

    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        need.on(arn(cx, format_args!("/domainnames/{}", self.domain_name)));
    }

    async fn run(self, gateway: &ApiGatewayV2, cx: &Cx) -> Result<(), Error> {
        let key = domain::domain_key(cx.account, &cx.region, &self.domain_name);
        let removed = gateway.0.store.transact(move |tx| domain::remove(tx, &key)).await?;
        gateway.0.forget_domain(&self.domain_name).await;
        if removed { Ok(()) } else { Err(no_domain()) }
    }
}
