"""What is for sale: GET /products, GET /products/{sku}."""

import json
from pathlib import Path

PRODUCTS = json.loads((Path(__file__).parent / "catalogue.json").read_text())


def handler(event, context):
    sku = (event.get("pathParameters") or {}).get("sku")
    if sku is None:
        wanted = (event.get("queryStringParameters") or {}).get("search", "").lower()
        return {"products": [product for product in PRODUCTS if wanted in product["title"].lower()]}
    for product in PRODUCTS:
        if product["sku"] == sku:
            return product
    return {"statusCode": 404, "headers": {"content-type": "application/problem+json"},
            "body": json.dumps({"title": "No such product", "status": 404, "sku": sku})}
