//! The actions of AWS services that an HTTP API's integration can name, with their parameters. Source: "AWS service
//! integrations for HTTP APIs" in API Gateway's developer guide.

use crate::Failure;
use crate::http_api::error::bad;
use crate::http_api::records::Integration;

/// An action.
#[derive(Debug)]
pub(crate) struct Subtype {
    /// As integrations name it.
    pub(crate) name: &'static str,
    /// Parameters that must be given.
    pub(crate) required: &'static [&'static str],
    /// Parameters that may be given.
    pub(crate) optional: &'static [&'static str],
}

/// All that AWS has.
pub(crate) const SUBTYPES: &[Subtype] = &[
    Subtype {
        name: "AppConfig-GetConfiguration",
        required: &["Application", "Environment", "Configuration", "ClientId"],
        optional: &["ClientConfigurationVersion", "Region"],
    },
    Subtype {
        name: "EventBridge-PutEvents",
        required: &["Detail", "DetailType", "Source"],
        optional: &["Time", "EventBusName", "Resources", "Region", "TraceHeader"],
    },
    Subtype {
        name: "Kinesis-PutRecord",
        required: &["StreamName", "Data", "PartitionKey"],
        optional: &["SequenceNumberForOrdering", "ExplicitHashKey", "Region"],
    },
    Subtype { name: "SQS-DeleteMessage", required: &["QueueUrl", "ReceiptHandle"], optional: &["Region"] },
    Subtype { name: "SQS-PurgeQueue", required: &["QueueUrl"], optional: &["Region"] },
    Subtype {
        name: "SQS-ReceiveMessage",
        required: &["QueueUrl"],
        optional: &[
            "AttributeNames",
            "MaxNumberOfMessages",
            "MessageAttributeNames",
            "ReceiveRequestAttemptId",
            "VisibilityTimeout",
            "WaitTimeSeconds",
            "Region",
        ],
    },
    Subtype {
        name: "SQS-SendMessage",
        required: &["QueueUrl", "MessageBody"],
        optional: &[
            "DelaySeconds",
            "MessageAttributes",
            "MessageDeduplicationId",
            "MessageGroupId",
            "MessageSystemAttributes",
            "Region",
        ],
    },
    Subtype {
        name: "StepFunctions-StartExecution",
        required: &["StateMachineArn"],
        optional: &["Name", "Input", "Region"],
    },
    Subtype {
        name: "StepFunctions-StartSyncExecution",
        required: &["StateMachineArn"],
        optional: &["Name", "Input", "Region", "TraceHeader"],
    },
    Subtype {
        name: "StepFunctions-StopExecution",
        required: &["ExecutionArn"],
        optional: &["Cause", "Error", "Region"],
    },
];

/// Refuses an action that there is not, and parameters that it has not.
pub(super) fn check(integration: &Integration) -> Result<(), Failure> {
    let name = integration.integration_subtype.as_deref().unwrap_or_default();
    let Some(subtype) = SUBTYPES.iter().find(|one| one.name == name) else {
        return Err(bad(format!("Invalid integration subtype specified: {name}")).into());
    };
    if integration.integration_uri.is_some() {
        return Err(bad("IntegrationUri cannot be set for an integration with a subtype").into());
    }
    if integration.credentials_arn.is_none() {
        return Err(bad("CredentialsArn is required for an integration with a subtype").into());
    }
    let given = integration.request_parameters.as_ref();
    let has = |parameter: &str| given.is_some_and(|given| given.contains_key(parameter));
    if let Some(missing) = subtype.required.iter().find(|one| !has(one)) {
        return Err(bad(format!("Missing required parameter {missing} for {name}")).into());
    }
    let is_known = |one: &String| subtype.required.contains(&one.as_str()) || subtype.optional.contains(&one.as_str());
    match given.into_iter().flatten().find(|(one, _)| !is_known(one)) {
        Some((unknown, _)) => Err(bad(format!("Invalid parameter {unknown} for {name}")).into()),
        None => Ok(()),
    }
}
