#!/usr/bin/env python3
"""The test shapes as botocore sees them: an independent reading of every protocol.

    vectors.py requests > vectors.json     requests as botocore's serializers write them, with what they mean
    vectors.py routes                      every binding of many REST services, and a path that means it
    vectors.py check answers.json          do botocore's parsers read our answers as what was meant?

The model below mirrors `model.rs`. Values are written as JSON with tags for what JSON lacks:
{"b64": ...} for bytes, {"ms": ...} for instants, {"float": "NaN"}.
"""
import base64, datetime, json, math, random, sys
import botocore.awsrequest, botocore.eventstream, botocore.parsers, botocore.serialize
from botocore.compat import HTTPHeaders
from botocore.model import ServiceModel

UTC = datetime.timezone.utc
PROTOCOLS = {"RestJson1": "rest-json", "AwsJson10": "json", "AwsJson11": "json", "AwsQuery": "query",
             "RpcV2Cbor": "smithy-rpc-v2-cbor"}


def members(shapes, required=()):
    return {"type": "structure", "required": list(required),
            "members": {k: ({"shape": v} if isinstance(v, str) else v) for k, v in shapes.items()}}


SHAPES = {
    "Boolean": {"type": "boolean"}, "Integer": {"type": "integer"}, "Long": {"type": "long"},
    "Float": {"type": "float"}, "Double": {"type": "double"}, "String": {"type": "string"},
    "Blob": {"type": "blob"}, "Timestamp": {"type": "timestamp"},
    "DateTime": {"type": "timestamp", "timestampFormat": "iso8601"},
    "HttpDate": {"type": "timestamp", "timestampFormat": "rfc822"},
    "Epoch": {"type": "timestamp", "timestampFormat": "unixTimestamp"},
    "Color": {"type": "string", "enum": ["red", "dark-blue"]},
    "Document": {"type": "structure", "members": {}, "document": True},
    "Names": {"type": "list", "member": {"shape": "String"}},
    "Integers": {"type": "list", "member": {"shape": "Integer"}},
    "Timestamps": {"type": "list", "member": {"shape": "Timestamp"}},
    "Items": {"type": "list", "member": {"shape": "Integer", "locationName": "Item"}},
    "Flat": {"type": "list", "member": {"shape": "String"}, "flattened": True},
    "Things": {"type": "list", "member": {"shape": "Inner"}},
    "Table": {"type": "map", "key": {"shape": "String"}, "value": {"shape": "Inner"}},
    "Counts": {"type": "map", "key": {"shape": "String"}, "value": {"shape": "Integer"}},
    "Texts": {"type": "map", "key": {"shape": "String"}, "value": {"shape": "String"}},
    "Attributes": {"type": "map", "flattened": True, "key": {"shape": "String", "locationName": "Name"},
                   "value": {"shape": "String", "locationName": "Value"}},
    "Inner": members({"Id": "String", "Size": "Long", "Tags": "Texts"}),
    "Choice": dict(members({"text": "String", "number": "Integer", "inner": "Inner"}), union=True),
    "Everything": members({
        "Flag": "Boolean", "Small": "Integer", "Big": "Long", "Ratio": "Float", "Precise": "Double", "Words": "String",
        "Raw": "Blob", "At": "Timestamp", "AtDate": "DateTime", "AtHttp": "HttpDate", "Color": "Color",
        "Names": "Names", "Things": "Things", "Table": "Table", "Counts": "Counts", "Nested": "Everything",
        "Choice": "Choice", "Flat": "Flat", "Attributes": "Attributes", "Items": "Items", "Free": "Document"}),
    "BoundInput": members({
        "Name": {"shape": "String", "location": "uri", "locationName": "Name"},
        "When": {"shape": "Timestamp", "location": "uri", "locationName": "When"},
        "Path": {"shape": "String", "location": "uri", "locationName": "Path"},
        "Limit": {"shape": "Integer", "location": "querystring", "locationName": "limit"},
        "Since": {"shape": "Timestamp", "location": "querystring", "locationName": "since"},
        "Ids": {"shape": "Names", "location": "querystring", "locationName": "id"},
        "Rest": {"shape": "Texts", "location": "querystring"},
        "Mode": {"shape": "String", "location": "header", "locationName": "X-Test-Mode"},
        "Count": {"shape": "Long", "location": "header", "locationName": "X-Test-Count"},
        "Dry": {"shape": "Boolean", "location": "header", "locationName": "X-Test-Dry"},
        "Seen": {"shape": "Timestamp", "location": "header", "locationName": "X-Test-Seen"},
        "Meta": {"shape": "Texts", "location": "headers", "locationName": "x-meta-"},
        "Body": "String", "Inner": "Inner"}, ["Name", "When", "Path"]),
    "BoundOutput": members({
        "Code": {"shape": "Integer", "location": "statusCode"},
        "Mode": {"shape": "String", "location": "header", "locationName": "X-Test-Mode"},
        "Count": {"shape": "Long", "location": "header", "locationName": "X-Test-Count"},
        "Dry": {"shape": "Boolean", "location": "header", "locationName": "X-Test-Dry"},
        "Seen": {"shape": "Timestamp", "location": "header", "locationName": "X-Test-Seen"},
        "Meta": {"shape": "Texts", "location": "headers", "locationName": "x-meta-"},
        "Body": "String", "Inner": "Inner"}),
    "BlobInput": dict(members({
        "Name": {"shape": "String", "location": "uri", "locationName": "Name"}, "Payload": "Blob"}, ["Name"]),
        payload="Payload"),
    "BlobOutput": dict(members({
        "Media": {"shape": "String", "location": "header", "locationName": "Content-Type"}, "Payload": "Blob"}),
        payload="Payload"),
    "StructInput": dict(members({
        "Name": {"shape": "String", "location": "uri", "locationName": "Name"}, "Inner": "Inner"}, ["Name"]),
        payload="Inner"),
    "StructOutput": dict(members({"Inner": "Inner"}), payload="Inner"),
    "Chunk": {"type": "structure", "event": True, "members": {"Payload": {"shape": "Blob", "eventpayload": True}}},
    "Done": {"type": "structure", "event": True, "members": {"Code": {"shape": "String"}, "Size": {"shape": "Long"}}},
    "Events": {"type": "structure", "eventstream": True,
               "members": {"Chunk": {"shape": "Chunk"}, "Done": {"shape": "Done"}}},
    "EventsOutput": members({"Words": "String", "Stream": "Events"}),
    "NotFoundException": {"type": "structure", "exception": True, "error": {"httpStatusCode": 404, "senderFault": True},
                          "members": {"Type": {"shape": "String"}, "Message": {"shape": "String"}}},
}
OPERATIONS = {
    "Everything": ("POST", "/everything", "Everything", "Everything"),
    "Bound": ("PUT", "/bound/{Name}/at/{When}/{Path+}?fixed=1", "BoundInput", "BoundOutput"),
    "BlobPayload": ("POST", "/blob/{Name}", "BlobInput", "BlobOutput"),
    "StructPayload": ("POST", "/struct/{Name}", "StructInput", "StructOutput"),
}
EVERYWHERE = ["Everything"]


def service(protocol):
    wire = PROTOCOLS[protocol]
    metadata = {"apiVersion": "2020-01-01", "protocol": wire, "protocols": [wire], "serviceId": "Test",
                "endpointPrefix": "test", "targetPrefix": "Test_20200101", "signatureVersion": "v4",
                "jsonVersion": "1.0" if protocol == "AwsJson10" else "1.1", "xmlNamespace": "https://test/doc/"}
    operations = {}
    for name, (method, uri, given, got) in OPERATIONS.items():
        if wire != "rest-json":
            method, uri = "POST", "/" if wire != "smithy-rpc-v2-cbor" else f"/service/Test/operation/{name}"
        output = {"shape": got, "resultWrapper": f"{name}Result"} if wire == "query" else {"shape": got}
        operations[name] = {"name": name, "http": {"method": method, "requestUri": uri}, "input": {"shape": given},
                            "output": output, "errors": [{"shape": "NotFoundException"}]}
    shapes = dict(SHAPES)
    if wire not in ("rest-json", "json"):
        everything = json.loads(json.dumps(SHAPES["Everything"]))
        del everything["members"]["Free"]
        shapes["Everything"] = everything
    return ServiceModel({"metadata": metadata, "operations": operations, "shapes": shapes}, "test")


# --- values -----------------------------------------------------------------------------------------------------------

TEXTS = ["", "plain", "with space", "a+b&c=d%25?#/", "quote\"back\\slash", "häßlich ☃ 𝄞", "<tag>&amp;", "line\nbreak\ttab"]
SAFE = ["plain", "with space", "a+b&c=d%25?#/", "x,y", "1.5"]


class Maker:
    def __init__(self, seed, protocol):
        self.random, self.protocol = random.Random(seed), protocol

    def make(self, shape, depth=0, chance=0.7, texts=TEXTS, top=False):
        r, kind = self.random, shape.type_name
        again = lambda s, d=depth + 1: self.make(s, d, 0.5, texts)
        if kind == "structure" and getattr(shape, "is_document_type", False):
            return r.choice([{"a": [1, "b", {"c": True}]}, [1.5, None], "text", 7, True, {}])
        if kind == "structure":
            names = list(shape.members)
            if shape.is_tagged_union:
                names = [r.choice(names)]
            elif depth > 2:
                names = [n for n in names if shape.members[n].type_name not in ("structure", "list", "map")]
            bound = lambda n: "location" in shape.members[n].serialization
            keep = [n for n in names if shape.is_tagged_union or n in shape.required_members or r.random() < chance]
            if self.protocol == "AwsQuery" and depth and not keep:
                keep = names[:1]  # a form cannot say "an empty structure"
            return {n: self.make(shape.members[n], depth + 1, 0.4, SAFE if bound(n) else texts) for n in keep}
        if kind == "list":
            least = 1 if self.protocol == "AwsQuery" or texts is SAFE else 0
            return [again(shape.member) for _ in range(r.randint(least, 3))]
        if kind == "map":
            least = 1 if self.protocol == "AwsQuery" or texts is SAFE else 0
            return {f"key-{i}": again(shape.value) for i in range(r.randint(least, 3))}
        if kind == "string":
            return r.choice(shape.enum) if shape.enum else r.choice(texts)
        if kind == "boolean":
            return r.random() < 0.5
        if kind == "integer":
            return r.choice([0, -1, 7, 200, 2**31 - 1, -2**31]) if shape.name != "Code" else 202
        if kind == "long":
            return r.choice([0, -5, 2**53 + 1, 2**63 - 1, -2**63])
        if kind in ("float", "double"):
            return r.choice([0.0, 1.5, -0.25, 1e10, math.inf, -math.inf, math.nan] + ([1e300, 0.1] if kind == "double" else []))
        if kind == "blob":
            return r.choice([b"", b"\x00\xff", b"hello", bytes(range(64))])
        if kind == "timestamp":
            # botocore writes whole seconds, or microseconds, by format; whole ones are the same everywhere.
            return datetime.datetime.fromtimestamp(r.choice([0, 1795359124, 951827696, 4102444799]), UTC)
        raise ValueError(kind)


def tagged(value):
    if isinstance(value, dict):
        return {k: tagged(v) for k, v in value.items()}
    if isinstance(value, list):
        return [tagged(v) for v in value]
    if isinstance(value, (bytes, bytearray)):
        return {"b64": base64.b64encode(value).decode()}
    if isinstance(value, datetime.datetime):
        return {"ms": round(value.timestamp() * 1000)}
    if value in ("NaN", "Infinity", "-Infinity"):
        return {"float": value}  # botocore leaves these words of JSON's as they are
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"}
    return value


# --- requests ---------------------------------------------------------------------------------------------------------


def request(protocol, model, params):
    serializer = botocore.serialize.create_serializer(PROTOCOLS[protocol], include_validation=False)
    made = serializer.serialize_to_request(params, model)
    botocore.awsrequest.prepare_request_dict(made, "http://localhost")
    sent = botocore.awsrequest.create_request_object(made).prepare()
    body = sent.body or b""
    body = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else body.read()
    headers = {k: v.decode() if isinstance(v, bytes) else v for k, v in sent.headers.items()}
    return {"method": sent.method, "uri": sent.url.removeprefix("http://localhost"), "headers": headers,
            "body": base64.b64encode(body).decode()}


def write_requests():
    vectors = []
    for protocol in PROTOCOLS:
        model = service(protocol)
        for name in OPERATIONS if protocol == "RestJson1" else EVERYWHERE:
            operation = model.operation_model(name)
            for seed in range(14):
                maker = Maker(f"{protocol} {name} {seed}", protocol)
                chance = (0.0, 1.0, 0.6, 0.25)[seed % 4]
                params = maker.make(operation.input_shape, chance=chance)
                output = maker.make(operation.output_shape, chance=chance)
                if name == "Bound" and "Code" in output:
                    output["Code"] = 202
                if name == "BlobPayload":
                    # botocore decodes payloads that it does not stream.
                    output = {"Media": "image/png", "Payload": b"hello"} if output else {}
                vectors.append({"protocol": protocol, "operation": name, "params": tagged(params),
                                "request": request(protocol, operation, params), "output": tagged(output)})
    print("[")
    print(",\n".join(json.dumps(v, ensure_ascii=True) for v in vectors))
    print("]")


# --- routes -----------------------------------------------------------------------------------------------------------


def write_routes():
    import botocore.session, re
    session, services = botocore.session.get_session(), {}
    # All 254 agree, but loading them takes a quarter of a minute: those we mean to have, and the oddest.
    for name in ("apigateway apigatewayv2 appsync batch cloudfront efs eks iot kafka lambda mq pipes route53 s3 s3control "
                 "scheduler workspaces-web xray").split():
        model = session.get_service_model(name)
        routes = []
        for operation in map(model.operation_model, model.operation_names):
            method, uri = operation.http["method"], operation.http["requestUri"]
            labels = iter(range(1000))
            path = re.sub(r"\{[^}]*\}", lambda m: f"x{next(labels)}%2Fy" + ("/z" if "+" in m[0] else ""), uri)
            routes.append([operation.name, method, uri, path])
        services[name] = routes
    print(json.dumps(services))


# --- answers ----------------------------------------------------------------------------------------------------------


def parse(protocol, shape, answer):
    headers = HTTPHeaders()
    for name, value in answer["headers"]:
        headers[name] = value
    response = {"status_code": answer["status"], "headers": headers, "body": base64.b64decode(answer["body"]),
                "context": {"operation_name": "Test"}}
    parser = botocore.parsers.create_parser(PROTOCOLS[protocol])
    return parser.parse(response, shape)


def check(path):
    answers, faults = json.load(open(path)), []
    for answer in answers:
        protocol, model = answer["protocol"], service(answer["protocol"])
        if answer["kind"] == "events":
            faults += check_events(answer)
            continue
        operation = model.operation_model(answer["operation"])
        parsed = parse(protocol, operation.output_shape, answer)
        metadata = parsed.pop("ResponseMetadata")
        if answer["kind"] == "error":
            found = (parsed["Error"]["Code"], parsed["Error"]["Message"], metadata["HTTPStatusCode"], metadata.get("RequestId"))
            wanted = (answer["code"], answer["message"], answer["status"], "the-id")
        else:
            if isinstance(parsed.get("Payload"), str):
                parsed["Payload"] = parsed["Payload"].encode()
            found, wanted = tagged(parsed), answer["meant"]
            for name, value in list(wanted.items()):
                # What cannot be told apart on the wire: empty text in headers, an empty payload, an absent structure payload.
                empty = value in ("", {"b64": ""}, {}, []) and name not in found
                if empty:
                    del wanted[name]
            found = {k: v for k, v in found.items() if k in wanted or v not in ({"b64": ""}, {}) and k not in ("Media", "Code")}
        if found != wanted:
            faults.append(f"{protocol} {answer['operation']}:\n  meant {wanted}\n  found {found}")
    print("\n".join(faults) or f"{len(answers)} answers read as they were meant")
    return 1 if faults else 0


def check_events(answer):
    buffer = botocore.eventstream.EventStreamBuffer()
    buffer.add_data(base64.b64decode(answer["body"]))
    shape = service(answer["protocol"]).shape_for("Events")
    parser = botocore.parsers.create_parser(PROTOCOLS[answer["protocol"]])._event_stream_parser
    found = []
    for message in buffer:
        kind = message.headers[":message-type"]
        name = message.headers.get(":event-type") or message.headers.get(":exception-type")
        if name == "initial-response":
            found.append({"initial": True})
        elif kind == "event":
            found.append(tagged(parser.parse(message.to_response_dict(200), shape)))
        else:
            found.append({kind: name or message.headers[":error-code"]})
    return [] if found == answer["meant"] else [f"{answer['protocol']} events: meant {answer['meant']} found {found}"]


if __name__ == "__main__":
    if sys.argv[1] == "requests":
        write_requests()
    elif sys.argv[1] == "routes":
        write_routes()
    else:
        sys.exit(check(sys.argv[2]))
