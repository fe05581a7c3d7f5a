//! APIs made for measuring, by the control planes' own operations.

use std::net::SocketAddr;

use serde::Deserialize;
use serde_json::json;

use crate::Failure;
use crate::server::Server;

/// An API's address.
pub(super) struct Api {
    id: String,
    /// The stage as it stands in paths.
    stage: &'static str,
}

impl Api {
    /// A request to a path of the API, as bytes: nobody signs it.
    pub(super) fn request(&self, path: &str, body: &[u8]) -> Vec<u8> {
        let Api { id, stage } = self;
        let method = if body.is_empty() { "GET" } else { "POST" };
        let head = format!(
            "{method} {stage}{path} HTTP/1.1\r\nhost: {id}.execute-api.us-east-1.localhost\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Made {
    #[serde(alias = "apiId", alias = "integrationId", alias = "routeId", alias = "deploymentId")]
    id: String,
    root_resource_id: Option<String>,
}

/// Calls an operation of either version.
fn call(server: &mut Server, method: &str, path: &str, body: &serde_json::Value) -> Result<Vec<u8>, Failure> {
    server.call_of("apigateway", method, path, &serde_json::to_vec(body)?)
}

fn make(server: &mut Server, path: &str, body: &serde_json::Value) -> Result<Made, Failure> {
    Ok(serde_json::from_slice(&call(server, "POST", path, body)?)?)
}

/// An HTTP API whose every request goes to a function.
pub(super) fn http_api_of_function(server: &mut Server, function: &str) -> Result<Api, Failure> {
    let arn = format!("arn:aws:lambda:us-east-1:000000000000:function:{function}");
    let integration = json!({"integrationType": "AWS_PROXY", "integrationUri": arn, "payloadFormatVersion": "2.0"});
    let api = http_api(server, &integration)?;
    let source = format!("arn:aws:execute-api:us-east-1:000000000000:{}/*", api.id);
    let permission = json!({"StatementId": "bench", "Action": "lambda:InvokeFunction",
        "Principal": "apigateway.amazonaws.com", "SourceArn": source});
    let path = format!("/2015-03-31/functions/{function}/policy");
    server.call("POST", &path, &serde_json::to_vec(&permission)?)?;
    Ok(api)
}

/// An HTTP API whose every request goes to another server.
pub(super) fn http_api_of_server(server: &mut Server, behind: SocketAddr) -> Result<Api, Failure> {
    let integration = json!({"integrationType": "HTTP_PROXY", "integrationMethod": "ANY",
        "integrationUri": format!("http://{behind}/"), "payloadFormatVersion": "1.0"});
    http_api(server, &integration)
}

fn http_api(server: &mut Server, integration: &serde_json::Value) -> Result<Api, Failure> {
    let api = make(server, "/v2/apis", &json!({"name": "bench", "protocolType": "HTTP"}))?.id;
    let integration = make(server, &format!("/v2/apis/{api}/integrations"), integration)?.id;
    let route = json!({"routeKey": "$default", "target": format!("integrations/{integration}")});
    call(server, "POST", &format!("/v2/apis/{api}/routes"), &route)?;
    let stage = json!({"stageName": "$default", "autoDeploy": true});
    call(server, "POST", &format!("/v2/apis/{api}/stages"), &stage)?;
    Ok(Api { id: api, stage: "" })
}

/// A REST API of so many resources, `/r0` and so on, each answering by itself.
pub(super) fn rest_api_of_mocks(server: &mut Server, count: usize) -> Result<Api, Failure> {
    let Made { id, root_resource_id } = make(server, "/restapis", &json!({"name": "bench"}))?;
    let root = root_resource_id.ok_or("a REST API without a root")?;
    for number in 0..count {
        let part = json!({"pathPart": format!("r{number}")});
        let resource = make(server, &format!("/restapis/{id}/resources/{root}"), &part)?.id;
        let method = format!("/restapis/{id}/resources/{resource}/methods/GET");
        call(server, "PUT", &method, &json!({"authorizationType": "NONE"}))?;
        let integration = json!({"type": "MOCK", "requestTemplates": {"application/json": r#"{"statusCode": 200}"#}});
        call(server, "PUT", &format!("{method}/integration"), &integration)?;
        call(server, "PUT", &format!("{method}/responses/200"), &json!({}))?;
        let response = json!({"responseTemplates": {"application/json": r#"{"hello": "world"}"#}});
        call(server, "PUT", &format!("{method}/integration/responses/200"), &response)?;
    }
    call(server, "POST", &format!("/restapis/{id}/deployments"), &json!({"stageName": "prod"}))?;
    // AWS's 10,000 a second would be what is measured.
    let limit = |name: &str| json!({"op": "replace", "path": format!("/*/*/throttling/{name}"), "value": "10000000"});
    let changes = json!({"patchOperations": [limit("rateLimit"), limit("burstLimit")]});
    call(server, "PATCH", &format!("/restapis/{id}/stages/prod"), &changes)?;
    Ok(Api { id, stage: "/prod" })
}

/// The stage of a WebSocket API.
pub(crate) const WEB_SOCKET_STAGE: &str = "bench";

/// A WebSocket API whose messages nobody but API Gateway answers; the host name it is found by.
pub(crate) fn web_socket_api(server: &mut Server) -> Result<String, Failure> {
    let named =
        json!({"name": "bench", "protocolType": "WEBSOCKET", "routeSelectionExpression": "$request.body.action"});
    let id = make(server, "/v2/apis", &named)?.id;
    let mock = json!({"integrationType": "MOCK", "requestTemplates": {"$default": r#"{"statusCode":200}"#}});
    let mock = make(server, &format!("/v2/apis/{id}/integrations"), &mock)?.id;
    let response = json!({"integrationResponseKey": "$default", "responseTemplates": {"$default": "heard"}});
    call(server, "POST", &format!("/v2/apis/{id}/integrations/{mock}/integrationresponses"), &response)?;
    let route = json!({"routeKey": "$default", "target": format!("integrations/{mock}"),
        "routeResponseSelectionExpression": "$default"});
    let route = make(server, &format!("/v2/apis/{id}/routes"), &route)?.id;
    let response = json!({"routeResponseKey": "$default"});
    call(server, "POST", &format!("/v2/apis/{id}/routes/{route}/routeresponses"), &response)?;
    let deployment = make(server, &format!("/v2/apis/{id}/deployments"), &json!({}))?.id;
    // A burst as large as all of them, so that it is the server that is measured and not its patience.
    let limits = json!({"throttlingBurstLimit": 100_000, "throttlingRateLimit": 100_000});
    let stage = json!({"stageName": WEB_SOCKET_STAGE, "deploymentId": deployment, "defaultRouteSettings": limits});
    call(server, "POST", &format!("/v2/apis/{id}/stages"), &stage)?;
    Ok(format!("{id}.execute-api.us-east-1.localhost:{}", server.address.port()))
}
