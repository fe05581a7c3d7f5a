"""A chat over a WebSocket API: one function for each of the routes $connect, $disconnect and send.

Who is there is kept in a journal, a log group of CloudWatch Logs: `+ id name` for each who comes, `- id` for each who goes.
A connection lives two hours at most, so whoever reads the last two hours knows all. (A table would do this better, and is
what to use where DynamoDB is at hand; the journal works wherever functions do, and survives them.)
"""

import json
import os
import time

import boto3

JOURNAL = os.environ.get("JOURNAL", "/chat/connections")
LIFETIME_MS = 2 * 60 * 60 * 1000
NAME_CHARACTERS_MAX = 30
TEXT_CHARACTERS_MAX = 1000

logs = boto3.client("logs")


def connect(event, context):
    """Lets everybody in who says a name: ws://…?name=Ada"""
    name = (event.get("queryStringParameters") or {}).get("name", "").strip()[:NAME_CHARACTERS_MAX]
    if not name:
        return {"statusCode": 400, "body": "say who you are: ?name=Ada"}
    note("+", event["requestContext"]["connectionId"], name)
    # The newcomer itself cannot be told yet: its connection is there only once this has been answered.
    tell(event, {"from": name, "event": "came"})
    return {"statusCode": 200}


def disconnect(event, context):
    """Takes leave of one who has gone."""
    connection = event["requestContext"]["connectionId"]
    name = present().get(connection)
    note("-", connection)
    if name:
        tell(event, {"from": name, "event": "went"})
    return {"statusCode": 200}


def send(event, context):
    """Tells everybody what one says: {"action": "send", "text": "…"}. What this returns goes back to the sender."""
    text = str(json.loads(event["body"]).get("text", ""))[:TEXT_CHARACTERS_MAX]
    name = present().get(event["requestContext"]["connectionId"])
    if not name or not text.strip():
        return {"statusCode": 400, "body": json.dumps({"error": "say something: {\"action\": \"send\", \"text\": \"…\"}"})}
    heard = tell(event, {"from": name, "text": text, "at": event["requestContext"]["requestTimeEpoch"]})
    return {"statusCode": 200, "body": json.dumps({"heard": heard})}


def note(sign, connection, name=""):
    """Writes a line into the journal."""
    entry = {"timestamp": int(time.time() * 1000), "message": f"{sign} {connection} {name}".strip()}
    logs.put_log_events(logGroupName=JOURNAL, logStreamName="journal", logEvents=[entry])


def present():
    """Names of those who are there, by connection."""
    since = int(time.time() * 1000) - LIFETIME_MS
    there = {}
    for page in logs.get_paginator("filter_log_events").paginate(logGroupName=JOURNAL, startTime=since):
        for entry in page["events"]:
            sign, connection, *name = entry["message"].split(" ", 2)
            if sign == "+":
                there[connection] = name[0]
            else:
                there.pop(connection, None)
    return there


def tell(event, message):
    """Sends a message to all who are there, and gives how many heard it."""
    context = event["requestContext"]
    # On AWS connections are reached by the API's own address. Where all of AWS is one address, it finds them by their ids.
    endpoint = os.environ.get("AWS_ENDPOINT_URL") or f"https://{context['domainName']}/{context['stage']}"
    backend = boto3.client("apigatewaymanagementapi", endpoint_url=endpoint)
    data, heard = json.dumps(message).encode(), 0
    for connection in present():
        if connection == context["connectionId"] and context["eventType"] != "MESSAGE":
            continue
        try:
            backend.post_to_connection(ConnectionId=connection, Data=data)
            heard += 1
        except backend.exceptions.GoneException:
            note("-", connection)
        except backend.exceptions.LimitExceededException:
            pass  # It does not read; it misses this one.
    return heard
