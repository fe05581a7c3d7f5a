//! All declarations as plain data: what `updraft __schemas` prints, and `cargo xtask model-diff` compares with AWS's models.

use std::collections::BTreeMap;

use serde::Serialize;
use shape::{Kind, Member, Place, Schema};
use wire::protocol::Protocol;

use crate::registry::OperationInfo;
use crate::{NotYet, Service, ServiceId};

/// One service.
#[derive(Debug, Serialize)]
pub struct ServiceDescription {
    /// `lambda`.
    pub service: &'static str,
    /// Its first protocol, in AWS's spelling.
    pub protocol: &'static str,
    /// The operations it answers.
    pub operations: Vec<OperationDescription>,
    /// The operations that answer `NotImplemented`.
    pub not_yet: Vec<&'static str>,
    /// All shapes that operations refer to, by name.
    pub shapes: BTreeMap<&'static str, ShapeDescription>,
}

/// One operation.
#[derive(Debug, Serialize)]
pub struct OperationDescription {
    /// `GetFunction`.
    pub name: &'static str,
    /// Its HTTP binding.
    pub http: Option<HttpDescription>,
    /// Members of the input.
    pub input: BTreeMap<&'static str, MemberDescription>,
    /// Members of the output.
    pub output: BTreeMap<&'static str, MemberDescription>,
}

/// An HTTP binding.
#[derive(Debug, Serialize)]
pub struct HttpDescription {
    /// `GET`.
    pub method: &'static str,
    /// `/2015-03-31/functions/{FunctionName}`.
    pub uri: &'static str,
    /// 200.
    pub status: u16,
}

/// One member of a structure.
#[derive(Debug, Serialize)]
pub struct MemberDescription {
    /// The name of its shape, or of its kind for plain ones.
    pub shape: &'static str,
    /// `string`, `structure`, `list`, …
    pub kind: &'static str,
    /// `body`, `uri`, `querystring`, `header`, `headers`, `payload`, `statusCode`, in botocore's words.
    pub location: &'static str,
    /// The name there, where it is another.
    pub location_name: Option<&'static str>,
    /// Absence is refused.
    pub required: bool,
    /// What a list or map holds.
    pub item: Option<ItemDescription>,
}

/// The items of a list, or the values of a map.
#[derive(Debug, Serialize)]
pub struct ItemDescription {
    /// The name of their shape.
    pub shape: &'static str,
    /// Its kind.
    pub kind: &'static str,
}

/// A structure, union, list or map.
#[derive(Debug, Serialize)]
pub struct ShapeDescription {
    /// `structure`, `union`, `list`, `map`, `string`.
    pub kind: &'static str,
    /// Members, for structures and unions.
    pub members: BTreeMap<&'static str, MemberDescription>,
    /// The set of values, for enums.
    pub values: &'static [&'static str],
}

/// Describes a service by its declarations alone, without a store or anything else it needs to run.
pub fn describe<S: Service>() -> ServiceDescription {
    let operations = S::OPERATIONS.iter().map(|o| OperationInfo { meta: o.meta, input: o.input, output: o.output });
    describe_service(&S::ID, operations, S::NOT_YET)
}

fn describe_service(
    id: &ServiceId,
    operations: impl Iterator<Item = OperationInfo>,
    not_yet: &[NotYet],
) -> ServiceDescription {
    let mut shapes = BTreeMap::new();
    let operations = operations.map(|operation| {
        collect(operation.input, &mut shapes);
        collect(operation.output, &mut shapes);
        OperationDescription {
            name: operation.meta.name,
            http: operation.meta.http.map(|h| HttpDescription { method: h.method, uri: h.uri, status: h.status }),
            input: members(operation.input),
            output: members(operation.output),
        }
    });
    ServiceDescription {
        service: id.name,
        protocol: protocol_name(id.protocols[0]),
        operations: operations.collect(),
        not_yet: not_yet.iter().map(|n| n.name).collect(),
        shapes,
    }
}

fn collect(schema: &'static Schema, shapes: &mut BTreeMap<&'static str, ShapeDescription>) {
    let values = match schema.kind {
        Kind::Enum(values) => values,
        _ => &[],
    };
    let interesting = !values.is_empty() || !schema.members().is_empty();
    if interesting && shapes.contains_key(schema.name) {
        return;
    }
    if interesting {
        shapes.insert(schema.name, ShapeDescription { kind: kind(schema), members: members(schema), values });
    }
    match schema.kind {
        Kind::List(item) | Kind::Map(item) | Kind::Events(item) | Kind::Nullable(item) => collect(item(), shapes),
        _ => schema.members().iter().for_each(|member| collect(member.target(), shapes)),
    }
}

fn members(schema: &'static Schema) -> BTreeMap<&'static str, MemberDescription> {
    schema.members().iter().map(|member| (member.name, describe_member(member))).collect()
}

fn describe_member(member: &'static Member) -> MemberDescription {
    let (location, location_name) = match member.place {
        Place::Body => ("body", None),
        Place::Label => ("uri", Some(member.name)),
        Place::Query(name) => ("querystring", Some(name)),
        Place::QueryMap => ("querystring", None),
        Place::Header(name) => ("header", Some(name)),
        Place::PrefixHeaders(name) => ("headers", Some(name)),
        Place::Payload => ("payload", None),
        Place::StatusCode => ("statusCode", None),
    };
    let target = member.target();
    let item = match target.kind {
        Kind::List(item) | Kind::Map(item) => Some(ItemDescription { shape: item().name, kind: kind(item()) }),
        _ => None,
    };
    let (shape, kind) = (target.name, kind(target));
    MemberDescription { shape, kind, location, location_name, required: member.required, item }
}

fn kind(schema: &Schema) -> &'static str {
    match schema.kind {
        Kind::Bool => "boolean",
        Kind::Int => "integer",
        Kind::Long => "long",
        Kind::Float => "float",
        Kind::Double => "double",
        Kind::String | Kind::Enum(_) => "string",
        Kind::Blob | Kind::Body => "blob",
        Kind::Timestamp => "timestamp",
        Kind::Document => "document",
        Kind::Events(_) => "eventstream",
        Kind::List(_) => "list",
        Kind::Map(_) => "map",
        Kind::Struct(_) => "structure",
        Kind::Union(_) => "union",
        Kind::Nullable(inner) => kind(inner()),
    }
}

fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::RestJson1 => "rest-json",
        Protocol::AwsJson10 | Protocol::AwsJson11 => "json",
        Protocol::AwsQuery => "query",
        Protocol::RpcV2Cbor => "smithy-rpc-v2-cbor",
    }
}
