//! What API Gateway's second version has on AWS and ours has not yet.

use cloud::NotYet;

pub(super) const NOT_YET: &[NotYet] = &[
    NotYet::http("CreatePortal", "POST", "/v2/portals"),
    NotYet::http("CreatePortalProduct", "POST", "/v2/portalproducts"),
    NotYet::http("CreateProductPage", "POST", "/v2/portalproducts/{portalProductId}/productpages"),
    NotYet::http(
        "CreateProductRestEndpointPage",
        "POST",
        "/v2/portalproducts/{portalProductId}/productrestendpointpages",
    ),
    NotYet::http("CreateRoutingRule", "POST", "/v2/domainnames/{domainName}/routingrules"),
    NotYet::http("DeletePortal", "DELETE", "/v2/portals/{portalId}"),
    NotYet::http("DeletePortalProduct", "DELETE", "/v2/portalproducts/{portalProductId}"),
    NotYet::http("DeletePortalProductSharingPolicy", "DELETE", "/v2/portalproducts/{portalProductId}/sharingpolicy"),
    NotYet::http("DeleteProductPage", "DELETE", "/v2/portalproducts/{portalProductId}/productpages/{productPageId}"),
    NotYet::http(
        "DeleteProductRestEndpointPage",
        "DELETE",
        "/v2/portalproducts/{portalProductId}/productrestendpointpages/{productRestEndpointPageId}",
    ),
    NotYet::http("DeleteRoutingRule", "DELETE", "/v2/domainnames/{domainName}/routingrules/{routingRuleId}"),
    NotYet::http("DisablePortal", "DELETE", "/v2/portals/{portalId}/publish"),
    NotYet::http("GetPortal", "GET", "/v2/portals/{portalId}"),
    NotYet::http("GetPortalProduct", "GET", "/v2/portalproducts/{portalProductId}"),
    NotYet::http("GetPortalProductSharingPolicy", "GET", "/v2/portalproducts/{portalProductId}/sharingpolicy"),
    NotYet::http("GetProductPage", "GET", "/v2/portalproducts/{portalProductId}/productpages/{productPageId}"),
    NotYet::http(
        "GetProductRestEndpointPage",
        "GET",
        "/v2/portalproducts/{portalProductId}/productrestendpointpages/{productRestEndpointPageId}",
    ),
    NotYet::http("GetRoutingRule", "GET", "/v2/domainnames/{domainName}/routingrules/{routingRuleId}"),
    NotYet::http("ListPortalProducts", "GET", "/v2/portalproducts"),
    NotYet::http("ListPortals", "GET", "/v2/portals"),
    NotYet::http("ListProductPages", "GET", "/v2/portalproducts/{portalProductId}/productpages"),
    NotYet::http(
        "ListProductRestEndpointPages",
        "GET",
        "/v2/portalproducts/{portalProductId}/productrestendpointpages",
    ),
    NotYet::http("ListRoutingRules", "GET", "/v2/domainnames/{domainName}/routingrules"),
    NotYet::http("PreviewPortal", "POST", "/v2/portals/{portalId}/preview"),
    NotYet::http("PublishPortal", "POST", "/v2/portals/{portalId}/publish"),
    NotYet::http("PutPortalProductSharingPolicy", "PUT", "/v2/portalproducts/{portalProductId}/sharingpolicy"),
    NotYet::http("PutRoutingRule", "PUT", "/v2/domainnames/{domainName}/routingrules/{routingRuleId}"),
    NotYet::http("UpdatePortal", "PATCH", "/v2/portals/{portalId}"),
    NotYet::http("UpdatePortalProduct", "PATCH", "/v2/portalproducts/{portalProductId}"),
    NotYet::http("UpdateProductPage", "PATCH", "/v2/portalproducts/{portalProductId}/productpages/{productPageId}"),
    NotYet::http(
        "UpdateProductRestEndpointPage",
        "PATCH",
        "/v2/portalproducts/{portalProductId}/productrestendpointpages/{productRestEndpointPageId}",
    ),
];
