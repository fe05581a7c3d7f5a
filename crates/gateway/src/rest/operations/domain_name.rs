//! Custom domain names, as version 1 shows them.

use base::{Cx, Error, Timestamp};
use cloud::{Meta, Operation};
use shape::Shape;
use store::Tx;
use wire::server::Certificate as Served;

use crate::Failure;
use crate::domain::{self, Certificate, DOMAINS, Domain};
use crate::http_api::records::IpAddressType as Stored;
use crate::rest::ApiGateway;
use crate::rest::change::now;
use crate::rest::error::{bad, missing};
use crate::rest::patch::{self, Change, Op, PatchOperation};
use crate::rest::records::{
    EndpointAccessMode, EndpointConfiguration, EndpointType, Home, IpAddressType, SecurityPolicy, Texts, of_text,
    text_of,
};
use crate::rest::tags;

/// Letters and digits of the address that AWS gives a name.
const TARGET_CHARACTERS: usize = 10;

/// Whether a domain name can be used.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq)]
pub enum DomainNameStatus {
    /// It can.
    #[shape(value = "AVAILABLE")]
    Available,
    /// It is being changed.
    #[shape(value = "UPDATING")]
    Updating,
    /// It is being made.
    #[shape(value = "PENDING")]
    Pending,
    /// Its certificate must be imported again.
    #[shape(value = "PENDING_CERTIFICATE_REIMPORT")]
    PendingCertificateReimport,
    /// Its owner has not been verified.
    #[shape(value = "PENDING_OWNERSHIP_VERIFICATION")]
    PendingOwnershipVerification,
    /// It cannot.
    #[shape(value = "FAILED")]
    Failed,
}

/// By what a domain name's requests find their API.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoutingMode {
    /// By base path mappings.
    #[shape(value = "BASE_PATH_MAPPING_ONLY")]
    BasePathMappingOnly,
    /// By routing rules.
    #[shape(value = "ROUTING_RULE_ONLY")]
    RoutingRuleOnly,
    /// By routing rules, and where none fits by base path mappings.
    #[shape(value = "ROUTING_RULE_THEN_BASE_PATH_MAPPING")]
    RoutingRuleThenBasePathMapping,
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
#[derive(Shape, Clone, Debug, Default)]
#[shape(rename_all = "camelCase")]
pub struct DomainName {
    /// The name.
    pub domain_name: Option<String>,
    /// The id of a private one.
    pub domain_name_id: Option<String>,
    /// Its ARN.
    pub domain_name_arn: Option<String>,
    /// The name of the certificate of an edge-optimized one.
    pub certificate_name: Option<String>,
    /// ACM's certificate of an edge-optimized one.
    pub certificate_arn: Option<String>,
    /// When the certificate came.
    pub certificate_upload_date: Option<Timestamp>,
    /// What a CNAME record of a regional one would lead to.
    pub regional_domain_name: Option<String>,
    /// The zone of that.
    pub regional_hosted_zone_id: Option<String>,
    /// The name of the certificate of a regional one.
    pub regional_certificate_name: Option<String>,
    /// ACM's certificate of a regional one.
    pub regional_certificate_arn: Option<String>,
    /// What a CNAME record of an edge-optimized one would lead to.
    pub distribution_domain_name: Option<String>,
    /// The zone of that.
    pub distribution_hosted_zone_id: Option<String>,
    /// Where clients come in.
    pub endpoint_configuration: Option<EndpointConfiguration>,
    /// Whether it can be used.
    pub domain_name_status: Option<DomainNameStatus>,
    /// Why not.
    pub domain_name_status_message: Option<String>,
    /// The versions and ciphers of TLS.
    pub security_policy: Option<SecurityPolicy>,
    /// Whether names in TLS and HTTP must be the same.
    pub endpoint_access_mode: Option<EndpointAccessMode>,
    /// Its tags.
    pub tags: Option<Texts>,
    /// Which clients' certificates are taken.
    pub mutual_tls_authentication: Option<MutualTlsAuthentication>,
    /// ACM's proof that the name is its owner's.
    pub ownership_verification_certificate_arn: Option<String>,
    /// Who may manage a private one.
    pub management_policy: Option<String>,
    /// Who may call a private one.
    pub policy: Option<String>,
    /// By what requests find their API.
    pub routing_mode: Option<RoutingMode>,
}

impl DomainName {
    fn of(cx: &Cx, domain: Domain) -> DomainName {
        let (target, zone) = (domain.target(&cx.region), domain.hosted_zone_id(&cx.region).to_owned());
        let configuration = EndpointConfiguration {
            types: Some(vec![if domain.is_edge { EndpointType::Edge } else { EndpointType::Regional }]),
            ip_address_type: Some(match domain.ip_address_type {
                Stored::Ipv4 => IpAddressType::Ipv4,
                Stored::Dualstack => IpAddressType::Dualstack,
            }),
            vpc_endpoint_ids: None,
        };
        let arn = domain.arn(cx).to_string();
        let shown = DomainName {
            domain_name: Some(domain.name),
            domain_name_arn: Some(arn),
            certificate_upload_date: domain.certificate_uploaded,
            endpoint_configuration: Some(configuration),
            domain_name_status: Some(DomainNameStatus::Available),
            security_policy: of_text(&domain.security_policy),
            tags: Some(domain.tags).filter(|tags| !tags.is_empty()),
            ownership_verification_certificate_arn: domain.ownership_certificate_arn,
            routing_mode: Some(RoutingMode::BasePathMappingOnly),
            ..DomainName::default()
        };
        match domain.is_edge {
            true => DomainName {
                certificate_name: domain.certificate_name,
                certificate_arn: domain.certificate_arn,
                distribution_domain_name: Some(target),
                distribution_hosted_zone_id: Some(zone),
                ..shown
            },
            false => DomainName {
                regional_certificate_name: domain.certificate_name,
                regional_certificate_arn: domain.certificate_arn,
                regional_domain_name: Some(target),
                regional_hosted_zone_id: Some(zone),
                ..shown
            },
        }
    }
}

/// AWS's words for a domain name that is not there.
pub(crate) fn no_domain() -> Error {
    missing("Invalid domain name identifier specified")
}

/// Refuses ids of private domain names, which there are none of.
pub(super) fn refuse_private(domain_name_id: Option<&String>) -> Result<(), Error> {
    match domain_name_id.is_some_and(|id| !id.is_empty()) {
        true => Err(Error::not_implemented("private custom domain names")),
        false => Ok(()),
    }
}

/// Claims a domain name.
#[derive(Shape)]
#[shape(name = "CreateDomainNameRequest", rename_all = "camelCase")]
pub struct CreateDomainName {
    /// The name.
    pub domain_name: String,
    /// The name of the certificate.
    pub certificate_name: Option<String>,
    /// The certificate, as PEM.
    pub certificate_body: Option<String>,
    /// Its key, as PEM.
    #[shape(sensitive)]
    pub certificate_private_key: Option<String>,
    /// Those that vouch for it, as PEM.
    pub certificate_chain: Option<String>,
    /// ACM's certificate of an edge-optimized one.
    pub certificate_arn: Option<String>,
    /// The name of the certificate of a regional one.
    pub regional_certificate_name: Option<String>,
    /// ACM's certificate of a regional one.
    pub regional_certificate_arn: Option<String>,
    /// Where clients come in; near to them, if nothing is said.
    pub endpoint_configuration: Option<EndpointConfiguration>,
    /// Its tags.
    pub tags: Option<Texts>,
    /// The versions and ciphers of TLS.
    pub security_policy: Option<SecurityPolicy>,
    /// Whether names in TLS and HTTP must be the same.
    pub endpoint_access_mode: Option<EndpointAccessMode>,
    /// Which clients' certificates are taken.
    pub mutual_tls_authentication: Option<MutualTlsAuthenticationInput>,
    /// ACM's proof that the name is its owner's.
    pub ownership_verification_certificate_arn: Option<String>,
    /// Who may call a private one.
    pub policy: Option<String>,
    /// By what requests find their API.
    pub routing_mode: Option<RoutingMode>,
}

impl Operation<ApiGateway> for CreateDomainName {
    const META: Meta = Meta::write("CreateDomainName").http("POST", "/domainnames").status(201);
    type Output = DomainName;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<DomainName, Error> {
        self.refuse_unbuilt()?;
        if self.domain_name.is_empty() {
            return Err(bad("No Domain Name specified"));
        }
        if !domain::is_name(&self.domain_name) {
            return Err(bad(format!("Invalid domain name specified: {}", self.domain_name)));
        }
        tags::check(self.tags.as_ref())?;
        let certificate = self.certificate()?;
        let made = self.domain(cx, certificate.is_some())?;
        let (account, region, stored) = (cx.account, cx.region.clone(), made.clone());
        let work = move |tx: &mut Tx<'_>| {
            let added = domain::add(tx, account, &region, &stored)?;
            if let Some(certificate) = certificate.as_ref().filter(|_| added) {
                domain::put_certificate(tx, &stored.name, certificate)?;
            }
            Ok::<bool, Failure>(added)
        };
        let added = gateway.store.transact(work).await?;
        gateway.forget_domain(&made.name).await;
        if !added {
            return Err(bad("The domain name you provided already exists."));
        }
        Ok(DomainName::of(cx, made))
    }
}

impl CreateDomainName {
    /// What is not built, at once and by name.
    fn refuse_unbuilt(&self) -> Result<(), Error> {
        let types = self.endpoint_configuration.as_ref().and_then(|given| given.types.as_deref()).unwrap_or_default();
        let mutual_tls = self.mutual_tls_authentication.as_ref();
        let what = if types.contains(&EndpointType::Private) || self.policy.is_some() {
            "a private custom domain name"
        } else if mutual_tls.is_some_and(|given| given.truststore_uri.is_some()) {
            "mutual TLS of custom domain names"
        } else if self.endpoint_access_mode == Some(EndpointAccessMode::Strict) {
            "the endpoint access mode STRICT"
        } else if self.routing_mode.is_some_and(|mode| mode != RoutingMode::BasePathMappingOnly) {
            "routing by rules"
        } else {
            return Ok(());
        };
        Err(Error::not_implemented(what))
    }

    /// The certificate that came along, if one did; it must be one, and the key its own.
    fn certificate(&self) -> Result<Option<Certificate>, Error> {
        let Some(body) = &self.certificate_body else { return Ok(None) };
        let Some(private_key) = &self.certificate_private_key else {
            return Err(bad("A private key must be provided with the certificate"));
        };
        let chain = [Some(body.trim()), self.certificate_chain.as_deref().map(str::trim)];
        let chain = chain.into_iter().flatten().collect::<Vec<_>>().join("\n");
        Served::parse(&chain, private_key).map_err(|why| bad(format!("Invalid certificate: {why}")))?;
        Ok(Some(Certificate { chain, private_key: private_key.clone() }))
    }

    fn domain(&self, cx: &Cx, is_uploaded: bool) -> Result<Domain, Error> {
        let configuration = self.endpoint_configuration.clone().unwrap_or_default();
        let is_edge = match configuration.types.as_deref() {
            None | Some([] | [EndpointType::Edge]) => true,
            Some([_]) => false,
            Some(_) => return Err(bad("Cannot create a domain name with more than one endpoint type")),
        };
        let label = base::id::lower_alphanumeric(TARGET_CHARACTERS);
        let (arn, name) = match is_edge {
            true => (&self.certificate_arn, &self.certificate_name),
            false => (&self.regional_certificate_arn, &self.regional_certificate_name),
        };
        check_arn(arn.as_deref())?;
        Ok(Domain {
            name: self.domain_name.to_ascii_lowercase(),
            is_edge,
            certificate_arn: arn.clone(),
            certificate_name: name.clone(),
            certificate_uploaded: (is_uploaded || is_edge).then(|| now(cx)),
            ownership_certificate_arn: self.ownership_verification_certificate_arn.clone(),
            security_policy: text_of(self.security_policy.unwrap_or(SecurityPolicy::TLS_1_2)),
            ip_address_type: match configuration.ip_address_type {
                Some(IpAddressType::Dualstack) => Stored::Dualstack,
                Some(IpAddressType::Ipv4) | None => Stored::Ipv4,
            },
            target_label: if is_edge { format!("d{label}") } else { format!("d-{label}") },
            created: now(cx),
            tags: self.tags.clone().unwrap_or_default(),
        })
    }
}

fn check_arn(arn: Option<&str>) -> Result<(), Error> {
    let is_certificate =
        |arn: &str| base::Arn::parse(arn).is_some_and(|arn| ["acm", "iam"].contains(&arn.service.as_str()));
    match arn.filter(|arn| !is_certificate(arn)) {
        Some(arn) => Err(bad(format!("Invalid certificate ARN: {arn}"))),
        None => Ok(()),
    }
}

/// Tells a domain name.
#[derive(Shape)]
#[shape(name = "GetDomainNameRequest", rename_all = "camelCase")]
pub struct GetDomainName {
    /// Which.
    #[shape(label, name = "domain_name")]
    pub domain_name: String,
    /// The id of a private one.
    #[shape(query = "domainNameId")]
    pub domain_name_id: Option<String>,
}

impl Operation<ApiGateway> for GetDomainName {
    const META: Meta = Meta::read("GetDomainName").http("GET", "/domainnames/{domain_name}");
    type Output = DomainName;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<DomainName, Error> {
        refuse_private(self.domain_name_id.as_ref())?;
        let key = domain::domain_key(cx.account, &cx.region, &self.domain_name);
        Ok(DomainName::of(cx, gateway.found(DOMAINS, key, no_domain).await?))
    }
}

/// Whose domain names are listed.
#[derive(Shape, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceOwner {
    /// The caller's.
    #[shape(value = "SELF")]
    Own,
    /// Others', that the caller may use.
    #[shape(value = "OTHER_ACCOUNTS")]
    OtherAccounts,
}

/// Lists the domain names of an account in a region.
#[derive(Shape)]
#[shape(name = "GetDomainNamesRequest", rename_all = "camelCase")]
pub struct GetDomainNames {
    /// Where to continue.
    #[shape(query = "position")]
    pub position: Option<String>,
    /// At most so many.
    #[shape(query = "limit")]
    pub limit: Option<i32>,
    /// Whose.
    #[shape(query = "resourceOwner")]
    pub resource_owner: Option<ResourceOwner>,
}

/// A page of domain names.
#[derive(Shape)]
#[shape(name = "DomainNames", rename_all = "camelCase")]
pub struct DomainNames {
    /// There if more follow.
    pub position: Option<String>,
    /// The domain names.
    #[shape(name = "item")]
    pub items: Vec<DomainName>,
}

impl Operation<ApiGateway> for GetDomainNames {
    const META: Meta = Meta::read("GetDomainNames").http("GET", "/domainnames");
    type Output = DomainNames;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<DomainNames, Error> {
        if self.resource_owner == Some(ResourceOwner::OtherAccounts) {
            return Ok(DomainNames { position: None, items: Vec::new() });
        }
        let under = Home::of(cx).all();
        let (found, position) = gateway.page(DOMAINS, under, self.position.as_deref(), self.limit).await?;
        Ok(DomainNames { position, items: found.into_iter().map(|domain| DomainName::of(cx, domain)).collect() })
    }
}

/// Changes a domain name.
#[derive(Shape)]
#[shape(name = "UpdateDomainNameRequest", rename_all = "camelCase")]
pub struct UpdateDomainName {
    /// Which.
    #[shape(label, name = "domain_name")]
    pub domain_name: String,
    /// The id of a private one.
    #[shape(query = "domainNameId")]
    pub domain_name_id: Option<String>,
    /// What to change.
    pub patch_operations: Option<Vec<PatchOperation>>,
}

impl Operation<ApiGateway> for UpdateDomainName {
    const META: Meta = Meta::write("UpdateDomainName").http("PATCH", "/domainnames/{domain_name}");
    type Output = DomainName;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<DomainName, Error> {
        refuse_private(self.domain_name_id.as_ref())?;
        let changes = patch::changes(self.patch_operations)?;
        let key = domain::domain_key(cx.account, &cx.region, &self.domain_name);
        let work = move |tx: &mut Tx<'_>| {
            let mut changed = tx.get(DOMAINS, &key)?.ok_or_else(no_domain)?;
            changes.iter().try_for_each(|change| apply(&mut changed, change))?;
            tx.put(DOMAINS, &key, &changed)?;
            Ok::<Domain, Failure>(changed)
        };
        let changed = gateway.change_home(work).await?;
        gateway.forget_domain(&changed.name).await;
        Ok(DomainName::of(cx, changed))
    }
}

fn apply(domain: &mut Domain, change: &Change) -> Result<(), Error> {
    change.only(&[Op::Add, Op::Remove, Op::Replace])?;
    let value = change.text();
    match change.parts().as_slice() {
        ["certificateArn" | "regionalCertificateArn"] => {
            check_arn(value.as_deref())?;
            change.set(&mut domain.certificate_arn);
        }
        ["certificateName" | "regionalCertificateName"] => change.set(&mut domain.certificate_name),
        ["ownershipVerificationCertificateArn"] => {
            check_arn(value.as_deref())?;
            change.set(&mut domain.ownership_certificate_arn);
        }
        ["securityPolicy"] => {
            let policy = value.as_deref().and_then(of_text::<SecurityPolicy>);
            domain.security_policy = text_of(policy.ok_or_else(|| bad("Invalid security policy specified"))?);
        }
        ["endpointConfiguration", "ipAddressType"] => {
            domain.ip_address_type = match value.as_deref() {
                Some("ipv4") => Stored::Ipv4,
                Some("dualstack") => Stored::Dualstack,
                _ => return Err(bad("Invalid IP address type specified")),
            };
        }
        ["endpointConfiguration", "types" | "types/0", ..] => {
            domain.is_edge = match value.as_deref() {
                Some("EDGE") => true,
                Some("REGIONAL") => false,
                _ => return Err(bad("Invalid endpoint type specified")),
            };
        }
        ["mutualTlsAuthentication", ..] => return Err(Error::not_implemented("mutual TLS of custom domain names")),
        ["routingMode"] if value.as_deref() == Some("BASE_PATH_MAPPING_ONLY") => {}
        ["routingMode"] => return Err(Error::not_implemented("routing by rules")),
        _ => return Err(change.unknown()),
    }
    Ok(())
}

/// Gives a domain name up, with its mappings.
#[derive(Shape)]
#[shape(name = "DeleteDomainNameRequest", rename_all = "camelCase")]
pub struct DeleteDomainName {
    /// Which.
    #[shape(label, name = "domain_name")]
    pub domain_name: String,
    /// The id of a private one.
    #[shape(query = "domainNameId")]
    pub domain_name_id: Option<String>,
}

impl Operation<ApiGateway> for DeleteDomainName {
    const META: Meta = Meta::write("DeleteDomainName").http("DELETE", "/domainnames/{domain_name}").status(202);
    type Output = ();

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<(), Error> {
        refuse_private(self.domain_name_id.as_ref())?;
        let key = domain::domain_key(cx.account, &cx.region, &self.domain_name);
        let removed = gateway.change_home(move |tx| domain::remove(tx, &key)).await?;
        gateway.forget_domain(&self.domain_name).await;
        if removed { Ok(()) } else { Err(no_domain()) }
    }
}
