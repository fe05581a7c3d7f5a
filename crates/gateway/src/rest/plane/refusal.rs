//! What callers are told where no integration answers: gateway responses, AWS's own or the user's.

use std::borrow::Cow;
use std::collections::HashMap;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::asked::Asked;
use super::parameters::{self, Source};
use super::proxied::Answered;
use crate::Failure;
use crate::edge::context::Context;
use crate::rest::records::{GatewayResponse, GatewayResponseType as Case, Texts};

/// A request is not answered as its method would.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::rest) struct Refusal {
    pub(in crate::rest) case: Case,
    /// `$context.error.message`; some have none, which is null.
    pub(in crate::rest) message: Option<Cow<'static, str>>,
    /// The status, where it is not the case's own.
    pub(in crate::rest) status: Option<u16>,
    /// `x-amzn-ErrorType`.
    pub(in crate::rest) error_type: &'static str,
    /// `$context.error.validationErrorString`
    pub(in crate::rest) validation: Option<String>,
    /// The body's member is `Message`: IAM's own words.
    pub(in crate::rest) is_of_iam: bool,
}

impl Refusal {
    /// A refusal in AWS's words.
    pub(in crate::rest) fn new(case: Case, message: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal {
            case,
            message: Some(message.into()),
            status: None,
            error_type: error_type(case),
            validation: None,
            is_of_iam: false,
        }
    }

    /// No such path, or none with this method.
    pub(in crate::rest) fn no_route() -> Refusal {
        Refusal::new(Case::MissingAuthenticationToken, "Missing Authentication Token")
    }

    /// A fault of the request that is no case of its own, with AWS's status for it.
    pub(in crate::rest) fn request(status: u16, message: &'static str) -> Refusal {
        Refusal { status: Some(status), ..Refusal::new(Case::Default4xx, message) }
    }

    /// A fault of the integration, with AWS's status for it: the case's own is another.
    pub(in crate::rest) fn integration(status: u16) -> Refusal {
        Refusal { status: Some(status), ..Refusal::new(Case::IntegrationFailure, "Internal server error") }
    }

    /// The integration did not answer in time.
    pub(in crate::rest) fn timeout() -> Refusal {
        Refusal::new(Case::IntegrationTimeout, "Endpoint request timed out")
    }

    /// The API is not made so that it could answer.
    pub(in crate::rest) fn configuration() -> Refusal {
        Refusal::new(Case::ApiConfigurationError, "Internal server error")
    }

    /// What the request needs cannot be read.
    pub(in crate::rest) fn unread(failure: Failure) -> Refusal {
        failure.log();
        Refusal::configuration()
    }

    /// The request's body is not what it says it is, or not whole.
    pub(in crate::rest) fn malformed() -> Refusal {
        Refusal::request(400, "Bad Request")
    }

    /// The request is larger than it may be.
    pub(in crate::rest) fn too_large() -> Refusal {
        Refusal::new(Case::RequestTooLarge, "Request Too Long")
    }
}

/// AWS's names of errors.
fn error_type(case: Case) -> &'static str {
    match case {
        Case::AccessDenied => "AccessDeniedException",
        Case::AuthorizerConfigurationError => "AuthorizerConfigurationException",
        Case::AuthorizerFailure => "AuthorizerFailureException",
        Case::BadRequestBody | Case::BadRequestParameters | Case::Default4xx => "BadRequestException",
        Case::ExpiredToken => "ExpiredTokenException",
        Case::InvalidApiKey | Case::WafFiltered => "ForbiddenException",
        Case::InvalidSignature => "InvalidSignatureException",
        Case::MissingAuthenticationToken => "MissingAuthenticationTokenException",
        Case::QuotaExceeded => "LimitExceededException",
        Case::RequestTooLarge => "RequestTooLargeException",
        Case::ResourceNotFound => "NotFoundException",
        Case::Throttled => "TooManyRequestsException",
        Case::Unauthorized => "UnauthorizedException",
        Case::UnsupportedMediaType => "UnsupportedMediaTypeException",
        Case::ApiConfigurationError | Case::Default5xx | Case::IntegrationFailure | Case::IntegrationTimeout => {
            "InternalServerErrorException"
        }
    }
}

/// An API's gateway responses, made ready.
#[derive(Debug)]
pub(in crate::rest) struct Responses(HashMap<Case, Response>);

#[derive(Debug)]
struct Response {
    /// The user's status; AWS's own holds otherwise.
    status: Option<StatusCode>,
    headers: Vec<(HeaderName, Source)>,
    /// By content type.
    templates: Vec<(String, Vec<Piece>)>,
    is_of_user: bool,
}

impl Responses {
    /// What holds in each case, given the user's own.
    pub(in crate::rest) fn new(own: &[GatewayResponse]) -> Responses {
        let of = |case| own.iter().find(|response| response.response_type == case).cloned();
        let ready = |case: Case| {
            let default = case.default().and_then(of);
            let user_status = of(case).or(default).and_then(|own| own.status_code).and_then(|code| code.0.parse().ok());
            let is_of_user = of(case).is_some() || case.default().and_then(of).is_some();
            (case, Response::new(&GatewayResponse::in_force(case, of), user_status, is_of_user))
        };
        Responses(Case::ALL.into_iter().map(ready).collect())
    }

    /// The answer that a refusal makes. What it says is put into the context first.
    pub(in crate::rest) fn answer(
        &self,
        refusal: &Refusal,
        context: &mut Context,
        asked: &Asked,
        variables: Option<&Texts>,
    ) -> Answered {
        context.set("error.responseType", refusal.case.name());
        context.set_some("error.message", refusal.message.as_ref().map(|message| message.to_string()));
        context.set_some("error.validationErrorString", refusal.validation.clone());
        let own_status = refusal.status.or(refusal.case.status()).and_then(|status| StatusCode::from_u16(status).ok());
        let own_status = own_status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut headers = HeaderMap::with_capacity(8);
        let Some(response) = self.0.get(&refusal.case) else {
            return Answered { status: own_status, headers, body: Bytes::new() };
        };
        let (content_type, pieces) = response.template(asked);
        let body = match response.is_of_user {
            true => fill(pieces, context, asked, variables),
            false if refusal.is_of_iam => serde_json::json!({ "Message": refusal.message }).to_string(),
            false => spaced(refusal.case, fill(pieces, context, asked, variables)),
        };
        if let Ok(value) = HeaderValue::from_str(content_type) {
            headers.insert(CONTENT_TYPE, value);
        }
        let errors = HeaderValue::from_static(refusal.error_type);
        headers.insert(HeaderName::from_static("x-amzn-errortype"), errors);
        for (name, source) in &response.headers {
            let value = source.value(asked, context, variables, None);
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
                headers.insert(name.clone(), value);
            }
        }
        Answered { status: response.status.unwrap_or(own_status), headers, body: body.into() }
    }
}

/// AWS's own words as AWS has them: with a space where what comes after its front refuses. The recorded answer to a failed
/// integration has 36 bytes.
fn spaced(case: Case, words: String) -> String {
    match case {
        Case::ApiConfigurationError
        | Case::BadRequestBody
        | Case::BadRequestParameters
        | Case::IntegrationFailure
        | Case::IntegrationTimeout => words.replacen("\":", "\": ", 1),
        _ => words,
    }
}

impl Response {
    fn new(response: &GatewayResponse, status: Option<u16>, is_of_user: bool) -> Response {
        let header = |(name, expression): (&String, &String)| {
            let name = name.strip_prefix("gatewayresponse.header.")?.parse().ok()?;
            Some((name, parameters::parse(expression)?))
        };
        let template =
            |(kind, text): (&String, &Option<String>)| (kind.clone(), pieces(text.as_deref().unwrap_or_default()));
        Response {
            status: status.and_then(|status| StatusCode::from_u16(status).ok()),
            headers: response.response_parameters.iter().filter_map(header).collect(),
            templates: response.response_templates.iter().map(template).collect(),
            is_of_user,
        }
    }

    /// The template for a caller, by what it accepts; JSON's, or any, for all others.
    fn template(&self, asked: &Asked) -> (&str, &[Piece]) {
        let accept = asked.text(http::header::ACCEPT).unwrap_or_default();
        let of = |wanted: &str| self.templates.iter().find(|(kind, _)| kind == wanted);
        let chosen = accept.split(',').find_map(|kind| of(super::media::essence(kind)));
        let chosen = chosen.or_else(|| of("application/json")).or(self.templates.first());
        chosen.map_or(("application/json", &[]), |(kind, pieces)| (kind, pieces))
    }
}

/// A piece of a gateway response's template: these are no Velocity, only texts with references.
#[derive(Debug, PartialEq)]
enum Piece {
    Text(String),
    /// `$context.…`
    Context(String),
    /// `$stageVariables.…`
    Variable(String),
    /// `$method.request.…`
    Request(Source),
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, after) = rest.split_at(at);
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':');
        let end = after[1..].find(|c| !is_name(c)).map_or(after.len(), |end| end + 1);
        let name = after[1..end].trim_end_matches(['.', ':', '-']);
        let reference = match name.split_once('.') {
            Some(("context", fact)) => Some(Piece::Context(fact.to_owned())),
            Some(("stageVariables", variable)) => Some(Piece::Variable(variable.to_owned())),
            Some(("method", _)) => parameters::parse(name).map(Piece::Request),
            _ => None,
        };
        let taken = if reference.is_some() { 1 + name.len() } else { 1 };
        pieces.push(Piece::Text(before.to_owned()));
        pieces.push(reference.unwrap_or_else(|| Piece::Text("$".to_owned())));
        rest = &after[taken..];
    }
    pieces.push(Piece::Text(rest.to_owned()));
    pieces.retain(|piece| *piece != Piece::Text(String::new()));
    pieces
}

fn fill(pieces: &[Piece], context: &Context, asked: &Asked, variables: Option<&Texts>) -> String {
    let mut text = String::with_capacity(64);
    for piece in pieces {
        match piece {
            Piece::Text(part) => text.push_str(part),
            // A refusal without a message has null for it.
            Piece::Context(name) if name == "error.messageString" => {
                text.push_str(&context.get(name).unwrap_or(Cow::Borrowed("null")));
            }
            Piece::Context(name) => text.push_str(&context.get(name).unwrap_or_default()),
            Piece::Variable(name) => {
                text.push_str(variables.and_then(|variables| variables.get(name)).map_or("", String::as_str));
            }
            Piece::Request(source) => {
                text.push_str(&source.value(asked, context, variables, None).unwrap_or_default());
            }
        }
    }
    text
}
