//! What API Gateway's first version has on AWS and ours has not yet.

use cloud::NotYet;

pub(super) const NOT_YET: &[NotYet] = &[
    NotYet::http("CreateDomainNameAccessAssociation", "POST", "/domainnameaccessassociations"),
    NotYet::http(
        "DeleteDomainNameAccessAssociation",
        "DELETE",
        "/domainnameaccessassociations/{domain_name_access_association_arn}",
    ),
    NotYet::http("GetDomainNameAccessAssociations", "GET", "/domainnameaccessassociations"),
    NotYet::http("RejectDomainNameAccessAssociation", "POST", "/rejectdomainnameaccessassociations"),
];
