//! Gateway responses.

use base::{Cx, Error};
use cloud::{Meta, Operation};
use shape::Shape;
use store::Tx;

use crate::Failure;
use crate::rest::ApiGateway;
use crate::rest::error::{bad, missing, no_api};
use crate::rest::paging::page_of_made;
use crate::rest::patch::{self, Change, NO_CONTENT_TYPE, NO_PARAMETER, Op, PatchOperation};
use crate::rest::records::{
    Api, GATEWAY_RESPONSES, GatewayResponse, GatewayResponseType, Home, REST_APIS, StatusCode, Templates, Texts,
};

/// Says what callers are told in one case, over what was said before.
#[derive(Shape)]
#[shape(name = "PutGatewayResponseRequest", rename_all = "camelCase")]
pub struct PutGatewayResponse {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The case.
    #[shape(label, name = "response_type")]
    pub response_type: GatewayResponseType,
    /// The status.
    pub status_code: Option<StatusCode>,
    /// Headers of answers.
    pub response_parameters: Option<Texts>,
    /// Templates of bodies by content type.
    pub response_templates: Option<Templates>,
}

impl Operation<ApiGateway> for PutGatewayResponse {
    const META: Meta = Meta::write("PutGatewayResponse")
        .http("PUT", "/restapis/{restapi_id}/gatewayresponses/{response_type}")
        .status(201);
    type Output = GatewayResponse;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<GatewayResponse, Error> {
        let (at, no_api) = (Home::of(cx).api(&self.rest_api_id), no_api(cx, &self.rest_api_id));
        let aws = GatewayResponse::of_aws(self.response_type);
        let made = GatewayResponse {
            response_type: self.response_type,
            status_code: self.status_code.or(aws.status_code),
            response_parameters: self.response_parameters.unwrap_or_default(),
            response_templates: self
                .response_templates
                .filter(|templates| !templates.is_empty())
                .unwrap_or(aws.response_templates),
            default_response: false,
        };
        made.response_parameters.keys().try_for_each(|name| check_parameter(name))?;
        gateway
            .change_rest(&at, move |tx, at| {
                if !tx.exists(REST_APIS, &at.key())? {
                    return Err(no_api.clone().into());
                }
                tx.put(GATEWAY_RESPONSES, &at.below(&made.response_type.name()), &made)?;
                Ok(made.clone())
            })
            .await
    }
}

/// Parameters are headers.
fn check_parameter(name: &str) -> Result<(), Error> {
    match name.strip_prefix("gatewayresponse.header.") {
        Some(header) if !header.is_empty() => Ok(()),
        _ => Err(bad(format!("Invalid mapping expression parameter specified: {name}"))),
    }
}

/// What holds in a case.
fn in_force(tx: &Tx<'_>, at: &Api, case: GatewayResponseType) -> Result<GatewayResponse, Failure> {
    let own = tx.scan(GATEWAY_RESPONSES, at.all())?;
    Ok(of_case(&own.into_iter().map(|(_, own)| own).collect::<Vec<_>>(), case))
}

fn of_case(own: &[GatewayResponse], case: GatewayResponseType) -> GatewayResponse {
    GatewayResponse::in_force(case, |case| own.iter().find(|one| one.response_type == case).cloned())
}

/// Shows what callers are told in one case.
#[derive(Shape)]
#[shape(name = "GetGatewayResponseRequest", rename_all = "camelCase")]
pub struct GetGatewayResponse {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The case.
    #[shape(label, name = "response_type")]
    pub response_type: GatewayResponseType,
}

impl Operation<ApiGateway> for GetGatewayResponse {
    const META: Meta =
        Meta::read("GetGatewayResponse").http("GET", "/restapis/{restapi_id}/gatewayresponses/{response_type}");
    type Output = GatewayResponse;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<GatewayResponse, Error> {
        gateway.rest_api(cx, &self.rest_api_id).await?;
        let at = Home::of(cx).api(self.rest_api_id);
        let own = gateway.store.scan(GATEWAY_RESPONSES, at.all()).await.map_err(Failure::from)?;
        Ok(of_case(&own.into_iter().map(|(_, own)| own).collect::<Vec<_>>(), self.response_type))
    }
}

/// Lists what callers are told in all cases, AWS's defaults as well.
#[derive(Shape)]
#[shape(name = "GetGatewayResponsesRequest", rename_all = "camelCase")]
pub struct GetGatewayResponses {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// Where the last page ended.
    #[shape(query = "position")]
    pub position: Option<String>,
    /// How many items at most; AWS's default is 25, its most 500.
    #[shape(query = "limit")]
    pub limit: Option<i32>,
}

impl Operation<ApiGateway> for GetGatewayResponses {
    const META: Meta = Meta::read("GetGatewayResponses").http("GET", "/restapis/{restapi_id}/gatewayresponses");
    type Output = GatewayResponses;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<GatewayResponses, Error> {
        gateway.rest_api(cx, &self.rest_api_id).await?;
        let at = Home::of(cx).api(self.rest_api_id);
        let own = gateway.store.scan(GATEWAY_RESPONSES, at.all()).await.map_err(Failure::from)?;
        let own: Vec<GatewayResponse> = own.into_iter().map(|(_, own)| own).collect();
        let all = GatewayResponseType::ALL.into_iter().map(|case| of_case(&own, case)).collect();
        let (items, position) = page_of_made(all, self.position.as_deref(), self.limit)?;
        Ok(GatewayResponses { position, items })
    }
}

/// A page of gateway responses.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct GatewayResponses {
    /// Where the page ended, if more follow.
    pub position: Option<String>,
    /// The items.
    #[shape(name = "item")]
    pub items: Vec<GatewayResponse>,
}

/// Goes back to what AWS tells callers in one case.
#[derive(Shape)]
#[shape(name = "DeleteGatewayResponseRequest", rename_all = "camelCase")]
pub struct DeleteGatewayResponse {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The case.
    #[shape(label, name = "response_type")]
    pub response_type: GatewayResponseType,
}

impl Operation<ApiGateway> for DeleteGatewayResponse {
    const META: Meta = Meta::write("DeleteGatewayResponse")
        .http("DELETE", "/restapis/{restapi_id}/gatewayresponses/{response_type}")
        .status(202);
    type Output = ();

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<(), Error> {
        let (at, no_api) = (Home::of(cx).api(&self.rest_api_id), no_api(cx, &self.rest_api_id));
        let case = self.response_type;
        gateway
            .change_rest(&at, move |tx, at| {
                if !tx.exists(REST_APIS, &at.key())? {
                    return Err(no_api.clone().into());
                }
                let key = at.below(&case.name());
                if !tx.exists(GATEWAY_RESPONSES, &key)? {
                    return Err(missing("Gateway response type not defined on api").into());
                }
                Ok(tx.delete(GATEWAY_RESPONSES, &key)?)
            })
            .await
    }
}

/// Changes what callers are told in one case.
#[derive(Shape)]
#[shape(name = "UpdateGatewayResponseRequest", rename_all = "camelCase")]
pub struct UpdateGatewayResponse {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The case.
    #[shape(label, name = "response_type")]
    pub response_type: GatewayResponseType,
    /// What to change.
    pub patch_operations: Option<Vec<PatchOperation>>,
}

impl Operation<ApiGateway> for UpdateGatewayResponse {
    const META: Meta =
        Meta::write("UpdateGatewayResponse").http("PATCH", "/restapis/{restapi_id}/gatewayresponses/{response_type}");
    type Output = GatewayResponse;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<GatewayResponse, Error> {
        let (at, no_api) = (Home::of(cx).api(&self.rest_api_id), no_api(cx, &self.rest_api_id));
        let changes = patch::changes(self.patch_operations)?;
        let case = self.response_type;
        gateway
            .change_rest(&at, move |tx, at| {
                if !tx.exists(REST_APIS, &at.key())? {
                    return Err(no_api.clone().into());
                }
                let mut response = in_force(tx, at, case)?;
                response.default_response = false;
                for change in &changes {
                    apply(&mut response, change)?;
                }
                tx.put(GATEWAY_RESPONSES, &at.below(&case.name()), &response)?;
                Ok(response)
            })
            .await
    }
}

fn apply(response: &mut GatewayResponse, change: &Change) -> Result<(), Error> {
    match change.parts().as_slice() {
        ["statusCode"] => {
            if change.op != Op::Replace {
                return Err(change.unknown());
            }
            let status = change.text().filter(|text| text.len() == 3 && ("100"..="599").contains(&text.as_str()));
            response.status_code = Some(StatusCode(status.ok_or_else(|| bad("Invalid status code specified"))?));
            Ok(())
        }
        ["responseParameters", name] => {
            let value = change.text();
            let checked = || {
                check_parameter(name)?;
                value.ok_or_else(|| bad("Invalid null or empty value in responseParameters"))
            };
            let mut map = Some(std::mem::take(&mut response.response_parameters));
            let done = change.entry(&mut map, name, NO_PARAMETER, checked);
            response.response_parameters = map.unwrap_or_default();
            done
        }
        ["responseTemplates", content_type] => {
            let value = change.text();
            let checked = || value.map(Some).ok_or_else(|| bad("Invalid null or empty value in responseTemplates"));
            let mut map = Some(std::mem::take(&mut response.response_templates));
            let done = change.entry(&mut map, content_type, NO_CONTENT_TYPE, checked);
            response.response_templates = map.unwrap_or_default();
            done
        }
        _ => Err(change.unknown()),
    }
}
