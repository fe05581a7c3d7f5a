//! Gateway responses: what callers are told where no integration answers.

use serde::{Deserialize, Serialize};
use shape::Shape;
use store::Record;

use super::{StatusCode, Templates, Texts};

/// What callers are told in one case.
#[derive(Shape, Clone, Debug, Default, Serialize, Deserialize)]
#[shape(rename_all = "camelCase")]
#[serde(rename_all = "camelCase", default)]
pub struct GatewayResponse {
    /// The case.
    pub response_type: GatewayResponseType,
    /// The status; that of the case itself where `DEFAULT_4XX` or `DEFAULT_5XX` names none.
    pub status_code: Option<StatusCode>,
    /// `gatewayresponse.header.{name}` to an expression.
    pub response_parameters: Texts,
    /// Bodies by content type.
    pub response_templates: Templates,
    /// Whether it is AWS's, not the user's.
    pub default_response: bool,
}

impl Record for GatewayResponse {}

/// The cases. In the order in which AWS's refusals list them.
#[derive(Shape, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum GatewayResponseType {
    #[shape(value = "REQUEST_TOO_LARGE")]
    RequestTooLarge,
    #[shape(value = "RESOURCE_NOT_FOUND")]
    ResourceNotFound,
    #[shape(value = "AUTHORIZER_CONFIGURATION_ERROR")]
    AuthorizerConfigurationError,
    #[shape(value = "MISSING_AUTHENTICATION_TOKEN")]
    MissingAuthenticationToken,
    #[shape(value = "BAD_REQUEST_BODY")]
    BadRequestBody,
    #[shape(value = "INVALID_SIGNATURE")]
    InvalidSignature,
    #[shape(value = "INVALID_API_KEY")]
    InvalidApiKey,
    #[shape(value = "BAD_REQUEST_PARAMETERS")]
    BadRequestParameters,
    #[shape(value = "AUTHORIZER_FAILURE")]
    AuthorizerFailure,
    #[shape(value = "UNAUTHORIZED")]
    Unauthorized,
    #[shape(value = "INTEGRATION_TIMEOUT")]
    IntegrationTimeout,
    #[shape(value = "ACCESS_DENIED")]
    AccessDenied,
    #[default]
    #[shape(value = "DEFAULT_4XX")]
    #[serde(rename = "DEFAULT_4XX")]
    Default4xx,
    #[shape(value = "DEFAULT_5XX")]
    #[serde(rename = "DEFAULT_5XX")]
    Default5xx,
    #[shape(value = "WAF_FILTERED")]
    WafFiltered,
    #[shape(value = "QUOTA_EXCEEDED")]
    QuotaExceeded,
    #[shape(value = "THROTTLED")]
    Throttled,
    #[shape(value = "API_CONFIGURATION_ERROR")]
    ApiConfigurationError,
    #[shape(value = "UNSUPPORTED_MEDIA_TYPE")]
    UnsupportedMediaType,
    #[shape(value = "INTEGRATION_FAILURE")]
    IntegrationFailure,
    #[shape(value = "EXPIRED_TOKEN")]
    ExpiredToken,
}

/// AWS's body in every case.
pub(crate) const DEFAULT_TEMPLATE: &str = "{\"message\":$context.error.messageString}";

impl GatewayResponseType {
    /// All cases, in the order of their names, which is how AWS lists them.
    pub(crate) const ALL: [GatewayResponseType; 21] = [
        Self::AccessDenied,
        Self::ApiConfigurationError,
        Self::AuthorizerConfigurationError,
        Self::AuthorizerFailure,
        Self::BadRequestBody,
        Self::BadRequestParameters,
        Self::Default4xx,
        Self::Default5xx,
        Self::ExpiredToken,
        Self::IntegrationFailure,
        Self::IntegrationTimeout,
        Self::InvalidApiKey,
        Self::InvalidSignature,
        Self::MissingAuthenticationToken,
        Self::QuotaExceeded,
        Self::RequestTooLarge,
        Self::ResourceNotFound,
        Self::Throttled,
        Self::Unauthorized,
        Self::UnsupportedMediaType,
        Self::WafFiltered,
    ];

    /// AWS's name.
    pub(crate) fn name(self) -> String {
        super::text_of(self)
    }

    /// The status of the case; the two defaults have none of their own.
    pub(crate) fn status(self) -> Option<u16> {
        match self {
            Self::Default4xx | Self::Default5xx => None,
            Self::BadRequestBody | Self::BadRequestParameters => Some(400),
            Self::Unauthorized => Some(401),
            Self::AccessDenied
            | Self::ExpiredToken
            | Self::InvalidApiKey
            | Self::InvalidSignature
            | Self::MissingAuthenticationToken
            | Self::WafFiltered => Some(403),
            Self::ResourceNotFound => Some(404),
            Self::RequestTooLarge => Some(413),
            Self::UnsupportedMediaType => Some(415),
            Self::QuotaExceeded | Self::Throttled => Some(429),
            Self::ApiConfigurationError | Self::AuthorizerConfigurationError | Self::AuthorizerFailure => Some(500),
            Self::IntegrationFailure | Self::IntegrationTimeout => Some(504),
        }
    }

    /// Which default covers the case: that of its status; none for the defaults themselves.
    pub(crate) fn default(self) -> Option<GatewayResponseType> {
        let status = self.status()?;
        Some(if status >= 500 { Self::Default5xx } else { Self::Default4xx })
    }
}

impl GatewayResponse {
    /// AWS's own in a case.
    pub(crate) fn of_aws(case: GatewayResponseType) -> GatewayResponse {
        GatewayResponse {
            response_type: case,
            status_code: case.status().map(|status| StatusCode(status.to_string())),
            response_parameters: Texts::new(),
            response_templates: [("application/json".to_owned(), Some(DEFAULT_TEMPLATE.to_owned()))].into(),
            default_response: true,
        }
    }

    /// What holds in a case: the user's own, else what the user says of all cases of that hundred, else AWS's.
    pub(crate) fn in_force(
        case: GatewayResponseType,
        own: impl Fn(GatewayResponseType) -> Option<GatewayResponse>,
    ) -> GatewayResponse {
        if let Some(own) = own(case) {
            return own;
        }
        let aws = GatewayResponse::of_aws(case);
        let Some(general) = case.default().and_then(own) else { return aws };
        GatewayResponse {
            response_type: case,
            status_code: general.status_code.or(aws.status_code),
            default_response: true,
            ..general
        }
    }
}
