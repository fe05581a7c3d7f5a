//! SDKs: clients made for an API.

use std::collections::BTreeMap;

use base::{Cx, Error};
use bytes::Bytes;
use cloud::{Meta, Operation};
use shape::Shape;

use crate::edge::address;
use crate::rest::ApiGateway;
use crate::rest::error::{bad, no_stage};
use crate::rest::records::Home;
use crate::rest::sdk;

/// Makes a client for what a stage serves.
#[derive(Shape)]
#[shape(name = "GetSdkRequest", rename_all = "camelCase")]
pub struct GetSdk {
    /// The API.
    #[shape(label, name = "restapi_id")]
    pub rest_api_id: String,
    /// The stage.
    #[shape(label, name = "stage_name")]
    pub stage_name: String,
    /// Its language: `javascript`. AWS has `java`, `android`, `objectivec`, `swift` and `ruby` as well.
    #[shape(label, name = "sdk_type")]
    pub sdk_type: String,
    /// What a language asks for; JavaScript asks for nothing.
    #[shape(query_map)]
    pub parameters: Option<BTreeMap<String, String>>,
}

/// A client.
#[derive(Shape, Debug, Default)]
#[shape(rename_all = "camelCase")]
pub struct SdkResponse {
    /// Its type.
    #[shape(header = "Content-Type")]
    pub content_type: Option<String>,
    /// The name of a file for it.
    #[shape(header = "Content-Disposition")]
    pub content_disposition: Option<String>,
    /// A zip archive.
    #[shape(payload)]
    pub body: Option<Bytes>,
}

impl Operation<ApiGateway> for GetSdk {
    const META: Meta = Meta::read("GetSdk").http("GET", "/restapis/{restapi_id}/stages/{stage_name}/sdks/{sdk_type}");
    type Output = SdkResponse;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<SdkResponse, Error> {
        gateway.rest_api(cx, &self.rest_api_id).await?;
        match self.sdk_type.as_str() {
            "javascript" => {}
            "java" | "android" | "objectivec" | "swift" | "ruby" => {
                return Err(Error::not_implemented(format_args!("GetSdk for {}", self.sdk_type)));
            }
            other => return Err(bad(format!("Invalid SDK type specified: {other}"))),
        }
        let at = Home::of(cx).api(&self.rest_api_id);
        let staged = gateway.stage(&at, &self.stage_name).await?.ok_or_else(no_stage)?;
        let invoke_url = format!("{}/{}", address::endpoint(cx, "http", &self.rest_api_id), self.stage_name);
        let archive = sdk::javascript(&staged.snapshot, &invoke_url, cx.region.as_str()).map_err(|error| {
            tracing::error!(%error, "a client cannot be packed");
            Error::internal()
        })?;
        let now = cx.now().civil();
        let (year, month, day, hour, minute) = (now.year, now.month, now.day, now.hour, now.minute);
        Ok(SdkResponse {
            content_type: Some("application/octet-stream".to_owned()),
            content_disposition: Some(format!(
                "attachment; filename=\"{}_{year:04}-{month:02}-{day:02}_{hour:02}-{minute:02}Z.zip\"",
                self.sdk_type
            )),
            body: Some(archive.into()),
        })
    }
}
