//! What both versions' control planes share.

use std::fmt;

use base::{Arn, Cx};

/// What IAM calls something of API Gateway: `arn:aws:apigateway:{region}::{path}`, the path without `/v2`.
pub(crate) fn arn(cx: &Cx, path: fmt::Arguments<'_>) -> Arn {
    Arn {
        partition: cx.region.partition().to_owned(),
        service: "apigateway".to_owned(),
        region: cx.region.to_string(),
        account: String::new(),
        resource: path.to_string(),
    }
}
