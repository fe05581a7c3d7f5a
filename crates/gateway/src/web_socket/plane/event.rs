//! The event that a function gets of a handshake, a message or a disconnection, field by field as AWS has it: what there is
//! not is not in it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use http::header::{CONNECTION, HeaderMap, UPGRADE};
use http::request::Parts;
use serde::Serialize;
use serde_json::{Map, Value};
use wire::route::percent;

use super::turn::{Kind, Turn};
use crate::http_api::records::Texts;
use crate::web_socket::connection::Client;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    /// `REQUEST`, for authorizers.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method_arn: Option<&'a str>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    head: Option<Head<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage_variables: Option<&'a Texts>,
    request_context: RequestContext<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_base64_encoded: Option<bool>,
}

type Multi<'a> = BTreeMap<Cow<'a, str>, Vec<Cow<'a, str>>>;

/// A request's headers and query string.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Head<'a> {
    headers: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    multi_value_headers: Multi<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query_string_parameters: Option<BTreeMap<Cow<'a, str>, Cow<'a, str>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    multi_value_query_string_parameters: Option<Multi<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    route_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorizer: Option<&'a Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disconnect_status_code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disconnect_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<&'a str>,
    event_type: &'static str,
    extended_request_id: &'a str,
    request_time: String,
    message_direction: &'static str,
    stage: &'a str,
    connected_at: i64,
    request_time_epoch: i64,
    identity: Identity<'a>,
    request_id: &'a str,
    domain_name: &'a str,
    connection_id: &'a str,
    api_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Identity<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key_id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_key: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    caller: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_arn: Option<Cow<'a, str>>,
    source_ip: &'a str,
}

/// The event of a turn, JSON.
pub(super) fn event(turn: &Turn<'_>) -> Vec<u8> {
    let head = match &turn.kind {
        Kind::Connect(head) => Some(Head::of_handshake(head, &turn.connection.client, turn.trace_id.as_deref())),
        Kind::Message { .. } => None,
        Kind::Disconnect(_) => Some(Head::of_disconnection(&turn.connection.client)),
    };
    let body = match &turn.kind {
        Kind::Message { text, .. } => Some(*text),
        Kind::Connect(_) | Kind::Disconnect(_) => None,
    };
    write(
        turn,
        Event {
            kind: None,
            method_arn: None,
            head,
            stage_variables: Some(&turn.stage.variables).filter(|variables| !variables.is_empty()),
            request_context: RequestContext::of(turn),
            body,
            is_base64_encoded: Some(false),
        },
    )
}

/// The event of an authorizer, JSON.
pub(super) fn authorizer_event(turn: &Turn<'_>, head: &Parts, method_arn: &str) -> Vec<u8> {
    write(
        turn,
        Event {
            kind: Some("REQUEST"),
            method_arn: Some(method_arn),
            head: Some(Head::whole(head, &turn.connection.client, turn.trace_id.as_deref())),
            stage_variables: Some(&turn.stage.variables),
            request_context: RequestContext::of(turn),
            body: None,
            is_base64_encoded: None,
        },
    )
}

fn write(turn: &Turn<'_>, event: Event<'_>) -> Vec<u8> {
    let mut json = Vec::with_capacity(1024 + turn.body().len());
    _ = serde_json::to_writer(&mut json, &event);
    json
}

impl<'a> RequestContext<'a> {
    fn of(turn: &'a Turn<'a>) -> RequestContext<'a> {
        let connection = turn.connection;
        let ending = match &turn.kind {
            Kind::Disconnect(ending) => Some(*ending),
            Kind::Connect(_) | Kind::Message { .. } => None,
        };
        RequestContext {
            route_key: Some(turn.route_key()),
            authorizer: turn.context.authorizer().map(|said| &**said),
            disconnect_status_code: ending.map(|ending| ending.status),
            disconnect_reason: ending.map(|ending| ending.reason.as_str()),
            message_id: match &turn.kind {
                Kind::Message { id, .. } => Some(id),
                Kind::Connect(_) | Kind::Disconnect(_) => None,
            },
            event_type: turn.kind.name(),
            extended_request_id: &turn.request_id,
            request_time: turn.context.request_time(),
            message_direction: "IN",
            stage: &turn.stage.place.stage,
            connected_at: connection.connected.millis(),
            request_time_epoch: turn.context.at().millis(),
            identity: Identity {
                api_key: turn.context.get("identity.apiKey"),
                api_key_id: turn.context.get("identity.apiKeyId"),
                access_key: turn.context.get("identity.accessKey"),
                account_id: turn.context.get("identity.accountId"),
                caller: turn.context.get("identity.caller"),
                user: turn.context.get("identity.user"),
                user_arn: turn.context.get("identity.userArn"),
                user_agent: connection.client.user_agent.as_deref(),
                source_ip: &connection.client.source_ip,
            },
            request_id: &turn.request_id,
            domain_name: &connection.client.domain_name,
            connection_id: &connection.id,
            api_id: &turn.stage.place.api_id,
        }
    }
}

impl<'a> Head<'a> {
    /// All of a handshake, as authorizers see it.
    fn whole(head: &'a Parts, client: &'a Client, trace_id: Option<&'a str>) -> Head<'a> {
        let mut multi = Multi::new();
        for (name, value) in &head.headers {
            let value = String::from_utf8_lossy(value.as_bytes());
            multi.entry(in_title_case(name.as_str())).or_default().push(value);
        }
        forwarded(&mut multi, &head.headers, client);
        multi.extend(trace_id.map(|trace_id| ("X-Amzn-Trace-Id".into(), vec![trace_id.into()])));
        let query = head.uri.query().unwrap_or_default();
        let mut parameters = Multi::new();
        for (name, value) in percent::pairs(query) {
            parameters.entry(name).or_default().push(value);
        }
        let has_query = !parameters.is_empty();
        Head {
            headers: last(&multi),
            multi_value_headers: multi,
            query_string_parameters: has_query.then(|| last(&parameters)),
            multi_value_query_string_parameters: has_query.then_some(parameters),
        }
    }

    /// A handshake as its integration sees it: without what is between the client and API Gateway alone.
    pub(super) fn of_handshake(head: &'a Parts, client: &'a Client, trace_id: Option<&'a str>) -> Head<'a> {
        let mut whole = Head::whole(head, client, trace_id);
        for name in [CONNECTION, UPGRADE] {
            let name = in_title_case(name.as_str()).into_owned();
            whole.headers.remove(name.as_str());
            whole.multi_value_headers.remove(name.as_str());
        }
        whole
    }

    /// What AWS's events of disconnections have for headers.
    fn of_disconnection(client: &'a Client) -> Head<'a> {
        let headers =
            [("Host", client.domain_name.as_str()), ("x-api-key", ""), ("X-Forwarded-For", ""), ("x-restapi", "")];
        let multi: Multi<'_> = headers.map(|(name, value)| (name.into(), vec![value.into()])).into();
        Head {
            headers: last(&multi),
            multi_value_headers: multi,
            query_string_parameters: None,
            multi_value_query_string_parameters: None,
        }
    }

    /// Its headers, for backends that get them.
    pub(super) fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.multi_value_headers.iter().flat_map(|(name, values)| values.iter().map(|value| (&**name, &**value)))
    }
}

/// The last value of each name.
fn last<'a>(multi: &Multi<'a>) -> BTreeMap<Cow<'a, str>, Cow<'a, str>> {
    multi.iter().filter_map(|(name, values)| Some((name.clone(), values.last()?.clone()))).collect()
}

/// Says who asked and how. What the client says of this itself counts for nothing but the way it came.
fn forwarded<'a>(multi: &mut Multi<'a>, headers: &HeaderMap, client: &'a Client) {
    let before = headers.get("x-forwarded-for").and_then(|value| value.to_str().ok());
    let source_ip = client.source_ip.as_str();
    let way = before.map_or(Cow::Borrowed(source_ip), |before| format!("{before}, {source_ip}").into());
    let (port, scheme) = if client.tls { ("443", "https") } else { ("80", "http") };
    let port = client.domain_name.rsplit_once(':').map_or(port, |(_, port)| port);
    for (name, value) in
        [("X-Forwarded-For", way), ("X-Forwarded-Port", port.into()), ("X-Forwarded-Proto", scheme.into())]
    {
        multi.insert(name.into(), vec![value]);
    }
}

/// A header's name as clients write it and AWS's events have it; HTTP's own names have no case.
fn in_title_case(name: &str) -> Cow<'_, str> {
    const ODD: [(&str, &str); 5] = [
        ("sec-websocket-key", "Sec-WebSocket-Key"),
        ("sec-websocket-version", "Sec-WebSocket-Version"),
        ("sec-websocket-extensions", "Sec-WebSocket-Extensions"),
        ("sec-websocket-protocol", "Sec-WebSocket-Protocol"),
        ("x-api-key", "x-api-key"),
    ];
    if let Some((_, odd)) = ODD.iter().find(|(known, _)| *known == name) {
        return Cow::Borrowed(odd);
    }
    let mut title = String::with_capacity(name.len());
    let mut starts = true;
    for c in name.chars() {
        title.push(if starts { c.to_ascii_uppercase() } else { c });
        starts = c == '-';
    }
    Cow::Owned(title)
}
