//! Languages in which an API's SDK can be generated.

use base::{Cx, Error};
use cloud::{Meta, Operation};
use shape::Shape;

use crate::rest::ApiGateway;
use crate::rest::error::missing;
use crate::rest::paging::page_of_made;

/// A language.
#[derive(Shape, Clone, Debug, Default)]
#[shape(rename_all = "camelCase")]
pub struct SdkType {
    /// AWS's name for it.
    pub id: String,
    /// Its own.
    pub friendly_name: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// What may be configured.
    pub configuration_properties: Option<Vec<SdkConfigurationProperty>>,
}

/// What may be configured of a generated SDK.
#[derive(Shape, Clone, Debug, Default)]
#[shape(rename_all = "camelCase")]
pub struct SdkConfigurationProperty {
    /// Its name.
    pub name: Option<String>,
    /// Its name for people.
    pub friendly_name: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// Whether it must be given.
    pub required: Option<bool>,
    /// What holds if it is not.
    pub default_value: Option<String>,
}

/// The languages that can be generated here; AWS has Android, iOS, Java and Ruby as well.
fn all() -> Vec<SdkType> {
    vec![SdkType {
        id: "javascript".to_owned(),
        friendly_name: Some("JavaScript".to_owned()),
        description: Some("JavaScript SDK".to_owned()),
        configuration_properties: None,
    }]
}

/// Shows a language.
#[derive(Shape)]
#[shape(name = "GetSdkTypeRequest", rename_all = "camelCase")]
pub struct GetSdkType {
    /// Its id.
    #[shape(label, name = "sdktype_id")]
    pub id: String,
}

impl Operation<ApiGateway> for GetSdkType {
    const META: Meta = Meta::read("GetSdkType").http("GET", "/sdktypes/{sdktype_id}");
    type Output = SdkType;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<SdkType, Error> {
        let _ = (gateway, cx);
        let found = all().into_iter().find(|one| one.id == self.id);
        found.ok_or_else(|| missing(format!("Invalid SDK type identifier specified: {}", self.id)))
    }
}

/// Lists languages.
#[derive(Shape)]
#[shape(name = "GetSdkTypesRequest", rename_all = "camelCase")]
pub struct GetSdkTypes {
    /// Where the last page ended.
    #[shape(query = "position")]
    pub position: Option<String>,
    /// How many items at most; AWS's default is 25, its most 500.
    #[shape(query = "limit")]
    pub limit: Option<i32>,
}

impl Operation<ApiGateway> for GetSdkTypes {
    const META: Meta = Meta::read("GetSdkTypes").http("GET", "/sdktypes");
    type Output = SdkTypes;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<SdkTypes, Error> {
        let _ = (gateway, cx);
        let (items, position) = page_of_made(all(), self.position.as_deref(), self.limit)?;
        Ok(SdkTypes { position, items })
    }
}

/// A page of languages.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct SdkTypes {
    /// Where the page ended, if more follow.
    pub position: Option<String>,
    /// The items.
    #[shape(name = "item")]
    pub items: Vec<SdkType>,
}
