//! The test shapes; `vectors.py` has the same ones as botocore sees them.

use std::collections::BTreeMap;

use base::Timestamp;
use bytes::Bytes;
use shape::{Schema, Shape};
use wire::route::HttpBinding;

#[derive(Shape)]
pub(crate) enum Color {
    #[shape(value = "red")]
    Red,
    #[shape(value = "dark-blue")]
    DarkBlue,
    #[shape(unknown)]
    Other(String),
}

#[derive(Shape)]
pub(crate) struct Inner {
    pub(crate) id: Option<String>,
    pub(crate) size: Option<i64>,
    pub(crate) tags: Option<BTreeMap<String, String>>,
}

#[derive(Shape)]
#[shape(union, rename_all = "camelCase")]
pub(crate) enum Choice {
    Text(String),
    Number(i32),
    Inner(Inner),
}

#[derive(Shape)]
pub(crate) struct Everything {
    pub(crate) flag: Option<bool>,
    pub(crate) small: Option<i32>,
    pub(crate) big: Option<i64>,
    pub(crate) ratio: Option<f32>,
    pub(crate) precise: Option<f64>,
    pub(crate) words: Option<String>,
    pub(crate) raw: Option<Bytes>,
    pub(crate) at: Option<Timestamp>,
    #[shape(timestamp = "date-time")]
    pub(crate) at_date: Option<Timestamp>,
    #[shape(timestamp = "http-date")]
    pub(crate) at_http: Option<Timestamp>,
    pub(crate) color: Option<Color>,
    pub(crate) names: Option<Vec<String>>,
    pub(crate) things: Option<Vec<Inner>>,
    pub(crate) table: Option<BTreeMap<String, Inner>>,
    pub(crate) counts: Option<BTreeMap<String, i32>>,
    pub(crate) nested: Option<Box<Everything>>,
    pub(crate) choice: Option<Choice>,
    #[shape(flattened)]
    pub(crate) flat: Option<Vec<String>>,
    #[shape(flattened, key_name = "Name", value_name = "Value")]
    pub(crate) attributes: Option<BTreeMap<String, String>>,
    #[shape(item_name = "Item")]
    pub(crate) items: Option<Vec<i32>>,
    pub(crate) free: Option<serde_json::Value>,
}

#[derive(Shape)]
pub(crate) struct BoundInput {
    #[shape(label)]
    pub(crate) name: String,
    #[shape(label)]
    pub(crate) when: Timestamp,
    #[shape(label)]
    pub(crate) path: String,
    #[shape(query = "limit")]
    pub(crate) limit: Option<i32>,
    #[shape(query = "since")]
    pub(crate) since: Option<Timestamp>,
    #[shape(query = "id")]
    pub(crate) ids: Option<Vec<String>>,
    #[shape(query_map)]
    pub(crate) rest: Option<BTreeMap<String, String>>,
    #[shape(header = "X-Test-Mode")]
    pub(crate) mode: Option<String>,
    #[shape(header = "X-Test-Count")]
    pub(crate) count: Option<i64>,
    #[shape(header = "X-Test-Dry")]
    pub(crate) dry: Option<bool>,
    #[shape(header = "X-Test-Seen")]
    pub(crate) seen: Option<Timestamp>,
    #[shape(prefix_headers = "x-meta-")]
    pub(crate) meta: Option<BTreeMap<String, String>>,
    pub(crate) body: Option<String>,
    pub(crate) inner: Option<Inner>,
}

#[derive(Shape)]
pub(crate) struct BoundOutput {
    #[shape(status_code)]
    pub(crate) code: Option<i32>,
    #[shape(header = "X-Test-Mode")]
    pub(crate) mode: Option<String>,
    #[shape(header = "X-Test-Count")]
    pub(crate) count: Option<i64>,
    #[shape(header = "X-Test-Dry")]
    pub(crate) dry: Option<bool>,
    #[shape(header = "X-Test-Seen")]
    pub(crate) seen: Option<Timestamp>,
    #[shape(prefix_headers = "x-meta-")]
    pub(crate) meta: Option<BTreeMap<String, String>>,
    pub(crate) body: Option<String>,
    pub(crate) inner: Option<Inner>,
}

#[derive(Shape)]
pub(crate) struct BlobInput {
    #[shape(label)]
    pub(crate) name: String,
    #[shape(payload)]
    pub(crate) payload: Option<Bytes>,
}

#[derive(Shape)]
pub(crate) struct BlobOutput {
    #[shape(header = "Content-Type")]
    pub(crate) media: Option<String>,
    #[shape(payload)]
    pub(crate) payload: Option<Bytes>,
}

#[derive(Shape)]
pub(crate) struct StructInput {
    #[shape(label)]
    pub(crate) name: String,
    #[shape(payload)]
    pub(crate) inner: Option<Inner>,
}

#[derive(Shape)]
pub(crate) struct StructOutput {
    #[shape(payload)]
    pub(crate) inner: Option<Inner>,
}

#[derive(Shape)]
pub(crate) struct Chunk {
    #[shape(payload)]
    pub(crate) payload: Bytes,
}

#[derive(Shape)]
pub(crate) struct Done {
    pub(crate) code: Option<String>,
    pub(crate) size: Option<i64>,
}

#[derive(Shape)]
#[shape(union)]
pub(crate) enum StreamEvent {
    Chunk(Chunk),
    Done(Done),
}

#[derive(Shape)]
pub(crate) struct EventsOutput {
    pub(crate) words: Option<String>,
    #[shape(payload)]
    pub(crate) stream: shape::Events<StreamEvent>,
}

pub(crate) struct Operation {
    pub(crate) name: &'static str,
    pub(crate) http: HttpBinding,
    pub(crate) input: &'static Schema,
    pub(crate) output: &'static Schema,
}

const fn http(method: &'static str, uri: &'static str) -> HttpBinding {
    HttpBinding { method, uri, status: 200 }
}

pub(crate) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "Everything",
        http: http("POST", "/everything"),
        input: Everything::SCHEMA,
        output: Everything::SCHEMA,
    },
    Operation {
        name: "Bound",
        http: http("PUT", "/bound/{Name}/at/{When}/{Path+}?fixed=1"),
        input: BoundInput::SCHEMA,
        output: BoundOutput::SCHEMA,
    },
    Operation {
        name: "BlobPayload",
        http: http("POST", "/blob/{Name}"),
        input: BlobInput::SCHEMA,
        output: BlobOutput::SCHEMA,
    },
    Operation {
        name: "StructPayload",
        http: http("POST", "/struct/{Name}"),
        input: StructInput::SCHEMA,
        output: StructOutput::SCHEMA,
    },
];
