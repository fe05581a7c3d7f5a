"""Event source mappings through boto3, as far as there are sources: which there are none of yet, and that is said by name.
How mappings behave over sources is tested in the crate `compute`, over sources in memory."""

import uuid

import pytest
from support.refusals import refused

ACCOUNT = "000000000000"
HANDLER = "def handler(event, context):\n    return event\n"


@pytest.fixture(scope="module")
def function(shared):
    return shared.python(HANDLER)


@pytest.mark.parametrize(
    "arn, service",
    [
        (f"arn:aws:sqs:us-east-1:{ACCOUNT}:queue", "sqs"),
        (f"arn:aws:sqs:us-east-1:{ACCOUNT}:queue.fifo", "sqs"),
        (f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/stream", "kinesis"),
        (f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/t/stream/2026-01-01T00:00:00.000", "dynamodb"),
        (f"arn:aws:kafka:us-east-1:{ACCOUNT}:cluster/c/u", "kafka"),
        (f"arn:aws:mq:us-east-1:{ACCOUNT}:broker:b:u", "mq"),
    ],
)
def test_a_source_whose_service_does_not_stand_is_refused_by_name(lambda_, function, arn, service):
    start = {} if service in ("sqs", "mq") else {"StartingPosition": "LATEST"}
    with refused(501, "NotImplemented", f"the service {service}"):
        lambda_.create_event_source_mapping(FunctionName=function.name, EventSourceArn=arn, **start)
    assert lambda_.list_event_source_mappings(FunctionName=function.name)["EventSourceMappings"] == []


def test_kafka_is_refused_by_name(lambda_, function):
    with refused(501, "NotImplemented", "SelfManagedEventSource"):
        lambda_.create_event_source_mapping(
            FunctionName=function.name,
            Topics=["topic"],
            SelfManagedEventSource={"Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": ["localhost:9092"]}},
        )


def test_what_is_no_source_is_refused(lambda_, function):
    for more in ({}, {"EventSourceArn": "arn:aws:s3:::bucket"}):
        with refused(400, "InvalidParameterValueException", "Unrecognized event source."):
            lambda_.create_event_source_mapping(FunctionName=function.name, **more)


def test_where_reading_begins_is_checked_first(lambda_):
    queue, stream = f"arn:aws:sqs:us-east-1:{ACCOUNT}:queue", f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/stream"
    for arn, settings, words in (
        (queue, {"StartingPosition": "LATEST"}, "StartingPosition is not valid for SQS event sources."),
        (
            stream,
            {"StartingPosition": "LATEST", "StartingPositionTimestamp": 1},
            "Timestamp only valid with StartingPosition AT_TIMESTAMP",
        ),
        (stream, {"StartingPosition": "LATEST"}, "Function does not exist"),
    ):
        with refused(400, "InvalidParameterValueException", words):
            lambda_.create_event_source_mapping(FunctionName="nowhere", EventSourceArn=arn, **settings)
    words = "Member must satisfy enum value set: [LATEST, AT_TIMESTAMP, TRIM_HORIZON]"
    with refused(400, "ValidationException", words):
        lambda_.create_event_source_mapping(FunctionName="nowhere", EventSourceArn=stream, StartingPosition="NOW")


def test_values_out_of_range_are_refused_together(lambda_, function):
    with refused(400, "ValidationException", "2 validation errors detected: "):
        lambda_.create_event_source_mapping(
            FunctionName=function.name,
            EventSourceArn=f"arn:aws:sqs:us-east-1:{ACCOUNT}:queue",
            BatchSize=10_001,
            ParallelizationFactor=11,
        )


def test_a_mapping_that_is_not_there(lambda_):
    unknown, words = str(uuid.uuid4()), "The resource you requested does not exist."
    with refused(404, "ResourceNotFoundException", words):
        lambda_.get_event_source_mapping(UUID=unknown)
    with refused(404, "ResourceNotFoundException", words):
        lambda_.delete_event_source_mapping(UUID=unknown)
    with refused(404, "ResourceNotFoundException", words):
        lambda_.update_event_source_mapping(UUID=unknown, BatchSize=1)
    with refused(404, "ResourceNotFoundException", words):
        lambda_.list_tags(Resource=f"arn:aws:lambda:us-east-1:{ACCOUNT}:event-source-mapping:{unknown}")
