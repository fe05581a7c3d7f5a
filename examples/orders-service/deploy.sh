#!/bin/sh
# Creates the four functions and the HTTP API before them; prints the API's address.
# Goes wherever the AWS CLI points (AWS_ENDPOINT_URL); ROLE_ARN names the execution role, SECRET signs customers' tokens.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
role=${ROLE_ARN:-arn:aws:iam::000000000000:role/updraft-examples}
python=${PYTHON_RUNTIME:-python3.12}
mkdir -p "$here/build"

function_arn() { # NAME RUNTIME FILE...
    name=$1 runtime=$2
    shift 2
    (cd "$here/functions" && "${PYTHON:-python3}" ../../zip.py "../build/$name.zip" "$@")
    aws lambda create-function --function-name "orders-service-$name" --runtime "$runtime" --handler "$name.handler" \
        --memory-size 256 --timeout 10 --role "$role" --zip-file "fileb://$here/build/$name.zip" \
        --environment "Variables={SECRET=${SECRET:-change-me}}" --query FunctionArn --output text
    aws lambda wait function-active-v2 --function-name "orders-service-$name" >&2
}

catalogue=$(function_arn catalogue "$python" catalogue.py catalogue.json)
function_arn quote nodejs20.x quote.mjs catalogue.json >/dev/null
function_arn orders "$python" orders.py >/dev/null
function_arn authorizer "$python" authorizer.py >/dev/null

functions=${catalogue%-catalogue}
region=$(echo "$functions" | cut -d: -f4)
account=$(echo "$functions" | cut -d: -f5)
sed -e "s|FUNCTIONS|$functions|" -e "s|REGION|$region|" "$here/api.json" >"$here/build/api.json"
api=$(aws apigatewayv2 import-api --body "file://$here/build/api.json" --fail-on-warnings --query ApiId --output text)
aws apigatewayv2 create-stage --api-id "$api" --stage-name '$default' --auto-deploy --query StageName --output text >&2
for name in catalogue quote orders authorizer; do
    aws lambda add-permission --function-name "orders-service-$name" --statement-id "api-$api" --action lambda:InvokeFunction \
        --principal apigateway.amazonaws.com --source-arn "arn:aws:execute-api:$region:$account:$api/*" --query Statement --output text >&2
done
aws apigatewayv2 get-api --api-id "$api" --query ApiEndpoint --output text
