"""Orders of known customers: POST /orders. The authorizer has said who it is; the order's number is the request's."""

import base64
import json


def handler(event, context):
    customer = event["requestContext"]["authorizer"]["lambda"]["customer"]
    body = event.get("body") or ""
    try:
        order = json.loads(base64.b64decode(body) if event["isBase64Encoded"] else body)
        lines = [{"sku": str(line["sku"]), "quantity": int(line["quantity"])} for line in order["lines"]]
    except (ValueError, KeyError, TypeError):
        return {"statusCode": 400, "headers": {"content-type": "application/problem+json"},
                "body": json.dumps({"title": "This is no order", "status": 400})}
    number = context.aws_request_id
    print(json.dumps({"order": number, "customer": customer, "lines": lines}))
    return {
        "statusCode": 201,
        "headers": {"content-type": "application/json", "location": f"/orders/{number}"},
        "cookies": [f"last-order={number}; HttpOnly; SameSite=Strict"],
        "body": json.dumps({"order": number, "customer": customer, "lines": lines}),
    }
