"""Puts AWS's extensions into a public document: merge.py PETSTORE.JSON EXTENSIONS.JSON FUNCTION_URI > API.JSON

The document stays as its owner publishes it; what API Gateway needs to know stands beside it and is merged as RFC 7396 has it
(objects are merged, all else replaces). `TEMPLATE name` stands for a file of templates/, `FUNCTION_URI` for the function. Operations
without an integration get a mock that says that they are not built, since AWS deploys none without.
"""

import json
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
METHODS = ("get", "put", "post", "delete", "patch", "head", "options")
NOT_BUILT = {
    "type": "mock",
    "requestTemplates": {"application/json": '{"statusCode": 501}'},
    "passthroughBehavior": "when_no_templates",
    "responses": {"default": {"statusCode": "501", "responseTemplates": {"application/json": "TEMPLATE not_built.vtl"}}},
}


def merged(base, patch):
    if not isinstance(patch, dict):
        return patch
    base = dict(base) if isinstance(base, dict) else {}
    for name, value in patch.items():
        base[name] = merged(base.get(name), value)
    return base


def filled(value, function_uri):
    if isinstance(value, dict):
        return {name: filled(inner, function_uri) for name, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, function_uri) for inner in value]
    if isinstance(value, str) and value.startswith("TEMPLATE "):
        return (HERE / "templates" / value.removeprefix("TEMPLATE ")).read_text()
    return function_uri if value == "FUNCTION_URI" else value


def main(document, extensions, function_uri):
    api = merged(json.loads(pathlib.Path(document).read_text()), json.loads(pathlib.Path(extensions).read_text()))
    for path in api["paths"].values():
        for method in METHODS:
            if method in path and "x-amazon-apigateway-integration" not in path[method]:
                path[method]["x-amazon-apigateway-integration"] = NOT_BUILT
                path[method]["responses"]["501"] = {"description": "not built"}
    json.dump(filled(api, function_uri), sys.stdout, indent=1)


if __name__ == "__main__":
    main(*sys.argv[1:])
