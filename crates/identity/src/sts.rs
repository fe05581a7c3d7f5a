//! STS: for now, who am I.

use base::{AccountId, Cx, Error};
use cloud::{BoxFuture, Meta, NotYet, Op, Operation, Service, ServiceId, check, op};
use shape::Shape;
use wire::protocol::Protocol;

/// The Security Token Service.
#[derive(Default)]
pub struct Sts;

impl Service for Sts {
    const ID: ServiceId = ServiceId::new("sts", &[Protocol::AwsQuery], "2011-06-15")
        .xml_namespace("https://sts.amazonaws.com/doc/2011-06-15/");
    const OPERATIONS: &'static [Op<Self>] = &[op::<_, GetCallerIdentity>()];
    const NOT_YET: &'static [NotYet] = &[
        NotYet::rpc("AssumeRole"),
        NotYet::rpc("AssumeRoleWithSAML"),
        NotYet::rpc("AssumeRoleWithWebIdentity"),
        NotYet::rpc("AssumeRoot"),
        NotYet::rpc("DecodeAuthorizationMessage"),
        NotYet::rpc("GetAccessKeyInfo"),
        NotYet::rpc("GetDelegatedAccessToken"),
        NotYet::rpc("GetFederationToken"),
        NotYet::rpc("GetScopedCredentials"),
        NotYet::rpc("GetSessionToken"),
        NotYet::rpc("GetWebIdentityToken"),
    ];

    fn reset<'a>(&'a self, _: Option<AccountId>) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }
}

const _: () = check(Sts::OPERATIONS);

/// Tells the caller's account, ARN and unique id. Needs no permission: AWS answers it even to principals that may do
/// nothing else.
#[derive(Shape, Default)]
pub struct GetCallerIdentity {}

/// Who the caller is.
#[derive(Shape)]
#[shape(name = "GetCallerIdentityResponse")]
pub struct CallerIdentity {
    /// The principal's unique id; the account's id for root.
    pub user_id: Option<String>,
    /// The account.
    pub account: Option<String>,
    /// The principal's ARN.
    pub arn: Option<String>,
}

impl Operation<Sts> for GetCallerIdentity {
    const META: Meta = Meta::read("GetCallerIdentity");
    type Output = CallerIdentity;

    async fn run(self, _: &Sts, cx: &Cx) -> Result<CallerIdentity, Error> {
        Ok(CallerIdentity {
            user_id: Some(cx.caller.user_id.to_string()),
            account: Some(cx.caller.account.to_string()),
            arn: Some(cx.caller.arn.to_string()),
        })
    }
}
