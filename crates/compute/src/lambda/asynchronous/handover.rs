//! What an ended event leaves to be handed over, the handing over itself, and Lambda as a target of others'.
//!
//! A handover lies in the function's queue from the very transaction that ends its event, so that no crash loses it. One
//! that is refused is counted and dropped, as AWS does; one that cannot be delivered now is tried for six hours.

use base::{Arn, Timestamp};
use bytes::Bytes;
use cloud::BoxFuture;
use cloud::ports::{Attribute, Deliver, Delivery, Undelivered};
use store::NewMessage;

use super::event::{Entry, Event, Handover, Kind, encode};
use super::record::{Condition, End, Told, invocation_record};
use super::{BACKOFF_MS, EVENT_BYTES_MAX, backoff_ms};
use crate::lambda::Lambda;
use crate::lambda::lineage;
use crate::lambda::metrics::Metric;
use crate::lambda::name::{Qualifier, Target};
use crate::lambda::records::EventInvokeConfigRecord;

/// How long something is tried to be handed over: AWS's longest event age, in milliseconds.
const HANDOVER_AGE_MAX_MS: i64 = 21_600_000;
/// How long a delivery that came once is known: longer than what a crash interrupted waits before it comes again.
const DUPLICATES_MS: i64 = 2 * BACKOFF_MS.1;

impl Lambda {
    /// What the end of an event leaves to be handed over.
    pub(super) fn handovers(
        &self,
        event: &Event,
        target: &Target,
        payload: &Bytes,
        config: Option<&EventInvokeConfigRecord>,
        end: &End,
    ) -> Vec<NewMessage> {
        let now = self.clock.now();
        let source = target.qualified_arn(target.qualifier.as_ref().unwrap_or(&Qualifier::Latest)).to_string();
        let role = end.resolved.as_ref().map(|resolved| resolved.role.clone()).unwrap_or_default();
        // The way goes on from this function.
        let trace_id = end.resolved.as_ref().map_or_else(
            || event.trace_id.clone(),
            |resolved| lineage::enter(&event.trace_id, &resolved.lineage_name).trace_id,
        );
        let handover = |kind, target: &str, payload: &[u8]| {
            let entry = Entry::Handover(Handover {
                id: base::id::uuid(),
                kind,
                source: source.clone(),
                role: role.clone(),
                target: target.to_owned(),
                trace_id: trace_id.clone(),
                since_ms: now.millis(),
                tries: 0,
            });
            NewMessage::new(encode(&entry, payload))
        };
        let mut messages = Vec::new();
        let success = end.condition == Condition::Success;
        let destination = config.and_then(|c| if success { c.on_success.as_ref() } else { c.on_failure.as_ref() });
        if let Some(destination) = destination {
            let ran = u32::from(end.response.as_ref().is_some_and(super::record::Response::is_answer));
            let told = Told {
                request_id: &event.request_id,
                function_arn: &source,
                invoke_count: event.failures + ran,
                payload,
            };
            let record = invocation_record(&told, end, now);
            if record.len() > EVENT_BYTES_MAX {
                tracing::warn!(destination, bytes = record.len(), "an invocation record is too large to be delivered");
                self.record_for(target, Metric::DestinationDeliveryFailures, 1.0);
            } else {
                messages.push(handover(Kind::Record { success }, destination, &record));
            }
        }
        let dead_letters = end.resolved.as_ref().and_then(|resolved| resolved.dead_letter_target.as_deref());
        if let Some(queue) = dead_letters.filter(|_| !success) {
            let (error_code, error_message) = end.error();
            let kind = Kind::DeadLetter { request_id: event.request_id.clone(), error_code, error_message };
            messages.push(handover(kind, queue, payload));
        }
        messages
    }

    /// Puts a record of records that a poller discarded into the function's queue, to be handed over.
    pub(crate) async fn put_record(&self, target: &Target, to: &str, record: &[u8]) -> Result<(), store::Error> {
        let entry = Entry::Handover(Handover {
            id: base::id::uuid(),
            kind: Kind::Record { success: false },
            source: target.arn().to_string(),
            role: String::new(),
            target: to.to_owned(),
            trace_id: String::new(),
            since_ms: self.clock.now().millis(),
            tries: 0,
        });
        self.put_message(&target.function(), NewMessage::new(encode(&entry, record))).await
    }

    /// Tries to hand something over; what goes back into the queue if it could not be. One that a crash `interrupted` may
    /// have been tried more often than it says, so its age is asked first.
    pub(super) async fn hand_over(
        &self,
        function: &Target,
        handover: Handover,
        payload: Bytes,
        interrupted: bool,
    ) -> Vec<NewMessage> {
        let now = self.clock.now();
        let (Some(source), Some(target)) = (Arn::parse(&handover.source), Arn::parse(&handover.target)) else {
            tracing::error!(
                source = handover.source,
                target = handover.target,
                "a handover between no ARNs is dropped"
            );
            self.record_for(function, handover.kind.failure(), 1.0);
            return Vec::new();
        };
        let delivery = delivery(&handover, source, target, payload.clone());
        let delay_ms = backoff_ms(handover.tries);
        let too_late = now.millis() + delay_ms - handover.since_ms > HANDOVER_AGE_MAX_MS;
        let delivered = match delivery.target.service.as_str() {
            _ if interrupted && too_late => Err(Undelivered::Refused("it is too old".to_owned())),
            "lambda" => self.deliver(&delivery).await,
            service => match self.targets.find(service) {
                Some(deliver) => deliver.deliver(&delivery).await,
                None => Err(Undelivered::Refused(format!("there is no {service}"))),
            },
        };
        let Err(error) = delivered else { return Vec::new() };
        if too_late || matches!(error, Undelivered::Refused(_)) {
            tracing::warn!(%error, target = handover.target, source = handover.source, "nothing could be delivered");
            if let Some(function) = function_of(&delivery.source) {
                self.record_for(&function, handover.kind.failure(), 1.0);
            }
            return Vec::new();
        }
        let next = Entry::Handover(Handover { tries: handover.tries + 1, ..handover });
        vec![NewMessage::new(encode(&next, &payload)).delayed(delay_ms)]
    }
}

fn delivery(handover: &Handover, source: Arn, target: Arn, payload: Bytes) -> Delivery {
    let (attributes, detail_type) = match &handover.kind {
        Kind::Record { success: true } => (Vec::new(), "Lambda Function Invocation Result - Success"),
        Kind::Record { success: false } => (Vec::new(), "Lambda Function Invocation Result - Failure"),
        Kind::DeadLetter { request_id, error_code, error_message } => {
            let attribute = |name, data_type, value: &str| Attribute { name, data_type, value: value.to_owned() };
            let mut attributes =
                vec![attribute("RequestID", "String", request_id), attribute("ErrorMessage", "String", error_message)];
            if *error_code > 0 {
                attributes.push(attribute("ErrorCode", "Number", &error_code.to_string()));
            }
            (attributes, "")
        }
    };
    Delivery {
        object_key: object_key(handover, &source),
        id: handover.id.clone(),
        role: handover.role.clone(),
        trace_id: Some(handover.trace_id.clone()),
        source,
        target,
        payload,
        attributes,
        detail_type,
    }
}

/// `aws/lambda/async/<function>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<id>`, as AWS names records in a bucket.
fn object_key(handover: &Handover, source: &Arn) -> String {
    let name = source.resource.split(':').nth(1).unwrap_or_default();
    let at = Timestamp::from_millis(handover.since_ms).civil();
    let date = format!("{:04}-{:02}-{:02}", at.year, at.month, at.day);
    let directory = date.replace('-', "/");
    let time = format!("{:02}.{:02}.{:02}", at.hour, at.minute, at.second);
    format!("aws/lambda/async/{name}/{directory}/{date}T{time}-{}", handover.id)
}

/// The function, and perhaps the version, that an ARN means.
pub(crate) fn function_of(arn: &Arn) -> Option<Target> {
    let mut words = arn.resource.strip_prefix("function:")?.splitn(2, ':');
    Some(Target {
        account: base::AccountId::parse(&arn.account)?,
        region: base::Region::parse(&arn.region)?,
        name: words.next()?.to_owned(),
        qualifier: words.next().map(Qualifier::parse),
    })
}

impl Deliver for Lambda {
    /// The payload is an event of its own, invoked asynchronously.
    fn deliver<'a>(&'a self, delivery: &'a Delivery) -> BoxFuture<'a, Result<(), Undelivered>> {
        Box::pin(async move {
            let refused = |why: String| Undelivered::Refused(why);
            let target = function_of(&delivery.target);
            let target = target.ok_or_else(|| refused(format!("{} is no function", delivery.target)))?;
            if delivery.payload.len() > EVENT_BYTES_MAX {
                return Err(refused(format!("an event of {} bytes is too large", delivery.payload.len())));
            }
            self.version(&target).await.map_err(|failure| match base::Error::from(failure) {
                error if error.is_server_fault() => Undelivered::Later(error.to_string()),
                error => refused(error.to_string()),
            })?;
            let trace_id = delivery.trace_id.clone().unwrap_or_default();
            let event = Event::new(&target, base::id::uuid(), trace_id, self.clock.now().millis());
            let message = NewMessage::new(encode(&Entry::Event(event), &delivery.payload));
            let message = message.dedup(delivery.id.clone(), DUPLICATES_MS);
            self.record_for(&target, Metric::AsyncEventsReceived, 1.0);
            let put = self.put_message(&target.function(), message).await;
            put.map_err(|error| Undelivered::Later(error.to_string()))
        })
    }
}
