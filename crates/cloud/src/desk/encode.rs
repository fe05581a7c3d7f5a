//! The answer in the request's own protocol.

use base::{Cx, Error};
use shape::Value;
use wire::protocol::{Answer, Reply};

use super::identify::Identity;
use super::record::Visit;
use super::route::Route;

pub(super) fn output(identity: &Identity, route: &Route, cx: &Cx, value: Value) -> Answer {
    let reply = Reply {
        operation: route.operation.meta.name,
        output: route.operation.output,
        http: route.operation.meta.http.as_ref(),
        xml_namespace: identity.service.id.xml_namespace,
        request_id: &cx.request_id,
    };
    identity.protocol.encode(&reply, value)
}

pub(super) fn refusal(visit: &Visit, error: &Error) -> Answer {
    let namespace = visit.service.as_ref().and_then(|s| s.id.xml_namespace);
    visit.protocol.encode_error(error, &visit.request_id, namespace)
}
