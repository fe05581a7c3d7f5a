//! Events as AWS writes them for functions: records of SQS, Kinesis and DynamoDB, with windows and without, and the forms
//! of records that filters are held against.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cloud::ports::{MessageAttribute, QueueMessage, StreamData, StreamRecord};
use serde_json::{Map, Value, json};

use super::Mapping;
use base::Timestamp;

/// A queue's message.
pub(super) fn message(mapping: &Mapping, message: &QueueMessage) -> Value {
    let attributes = message.message_attributes.iter();
    let attributes: Map<String, Value> = attributes.map(|(name, value)| (name.clone(), attribute(value))).collect();
    let mut record = json!({
        "messageId": message.message_id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": message.attributes,
        "messageAttributes": attributes,
        "md5OfBody": message.md5_of_body,
        "eventSource": "aws:sqs",
        "eventSourceARN": mapping.source.to_string(),
        "awsRegion": mapping.source.region,
    });
    if let Some(md5) = &message.md5_of_message_attributes {
        record["md5OfMessageAttributes"] = json!(md5);
    }
    record
}

fn attribute(attribute: &MessageAttribute) -> Value {
    let mut shown = json!({
        "stringListValues": [],
        "binaryListValues": [],
        "dataType": attribute.data_type,
    });
    if let Some(text) = &attribute.string_value {
        shown["stringValue"] = json!(text);
    }
    if let Some(bytes) = &attribute.binary_value {
        shown["binaryValue"] = json!(STANDARD.encode(bytes));
    }
    shown
}

/// A message as filters see it: a body that is a JSON object is one.
pub(super) fn message_for_filters(mapping: &Mapping, one: &QueueMessage) -> Value {
    let mut record = message(mapping, one);
    if let Some(body) = object(one.body.as_bytes()) {
        record["body"] = body;
    }
    record
}

/// A stream's record.
pub(super) fn record(mapping: &Mapping, shard: &str, record: &StreamRecord) -> Value {
    match &record.data {
        StreamData::Bytes(data) => json!({
            "kinesis": kinesis(record, json!(STANDARD.encode(data))),
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": format!("{shard}:{}", record.sequence_number),
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": mapping.role,
            "awsRegion": mapping.source.region,
            "eventSourceARN": mapping.source.to_string(),
        }),
        StreamData::Change { event_id, event_name, dynamodb } => json!({
            "eventID": event_id,
            "eventName": event_name,
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": mapping.source.region,
            "dynamodb": dynamodb,
            "eventSourceARN": mapping.source.to_string(),
        }),
    }
}

fn kinesis(record: &StreamRecord, data: Value) -> Value {
    json!({
        "kinesisSchemaVersion": "1.0",
        "partitionKey": record.partition_key,
        "sequenceNumber": record.sequence_number,
        "data": data,
        "approximateArrivalTimestamp": record.arrived.millis() as f64 / 1000.0,
    })
}

/// A record as filters see it: Kinesis's data is one level higher and decoded, JSON if it is that.
pub(super) fn record_for_filters(mapping: &Mapping, shard: &str, one: &StreamRecord) -> Value {
    let mut shown = record(mapping, shard, one);
    if let StreamData::Bytes(data) = &one.data {
        let data = object(data).unwrap_or_else(|| json!(String::from_utf8_lossy(data)));
        let mut kinesis = kinesis(one, Value::Null);
        if let Some(kinesis) = kinesis.as_object_mut() {
            kinesis.remove("data");
            if let Some(shown) = shown.as_object_mut() {
                shown.extend(std::mem::take(kinesis));
            }
        }
        shown["data"] = data;
    }
    shown
}

fn object(bytes: &[u8]) -> Option<Value> {
    serde_json::from_slice(bytes).ok().filter(Value::is_object)
}

/// What a function is called with.
pub(super) fn batch(records: Vec<Value>) -> Bytes {
    json!({ "Records": records }).to_string().into()
}

/// A window of records, and what the function keeps of it.
#[derive(Clone, Debug)]
pub(super) struct Window<'a> {
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    pub(super) state: &'a Value,
    pub(super) shard: &'a str,
    /// Nothing more of this window follows.
    pub(super) is_final: bool,
    /// It ends before its time, since its state grew too large.
    pub(super) is_early: bool,
}

/// What a function is called with in a window.
pub(super) fn windowed_batch(mapping: &Mapping, records: Vec<Value>, window: &Window<'_>) -> Bytes {
    let event = json!({
        "Records": records,
        "window": { "start": window.start.to_date_time(), "end": window.end.to_date_time() },
        "state": window.state,
        "shardId": window.shard,
        "eventSourceARN": mapping.source.to_string(),
        "isFinalInvokeForWindow": window.is_final,
        "isWindowTerminatedEarly": window.is_early,
    });
    event.to_string().into()
}
