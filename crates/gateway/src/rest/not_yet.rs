//! What API Gateway's first version has on AWS and ours has not yet.

use cloud::NotYet;

pub(super) const NOT_YET: &[NotYet] = &[
    NotYet::http("CreateBasePathMapping", "POST", "/domainnames/{domain_name}/basepathmappings"),
    NotYet::http("CreateDomainName", "POST", "/domainnames"),
    NotYet::http("CreateDomainNameAccessAssociation", "POST", "/domainnameaccessassociations"),
    NotYet::http("DeleteBasePathMapping", "DELETE", "/domainnames/{domain_name}/basepathmappings/{base_path}"),
    NotYet::http("DeleteDomainName", "DELETE", "/domainnames/{domain_name}"),
    NotYet::http(
        "DeleteDomainNameAccessAssociation",
        "DELETE",
        "/domainnameaccessassociations/{domain_name_access_association_arn}",
    ),
    NotYet::http("GetBasePathMapping", "GET", "/domainnames/{domain_name}/basepathmappings/{base_path}"),
    NotYet::http("GetBasePathMappings", "GET", "/domainnames/{domain_name}/basepathmappings"),
    NotYet::http("GetDomainName", "GET", "/domainnames/{domain_name}"),
    NotYet::http("GetDomainNameAccessAssociations", "GET", "/domainnameaccessassociations"),
    NotYet::http("GetDomainNames", "GET", "/domainnames"),
    NotYet::http("GetSdk", "GET", "/restapis/{restapi_id}/stages/{stage_name}/sdks/{sdk_type}"),
    NotYet::http("RejectDomainNameAccessAssociation", "POST", "/rejectdomainnameaccessassociations"),
    NotYet::http("UpdateBasePathMapping", "PATCH", "/domainnames/{domain_name}/basepathmappings/{base_path}"),
    NotYet::http("UpdateDomainName", "PATCH", "/domainnames/{domain_name}"),
];
