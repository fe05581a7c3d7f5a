#!/bin/sh
# Creates the three functions and the WebSocket API before them; prints the API's address.
# Goes wherever the AWS CLI points (AWS_ENDPOINT_URL); ROLE_ARN names the execution role.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
role=${ROLE_ARN:-arn:aws:iam::000000000000:role/updraft-examples}
python=${PYTHON_RUNTIME:-python3.12}
mkdir -p "$here/build"
(cd "$here" && "${PYTHON:-python3}" ../zip.py build/function.zip chat.py)

aws logs create-log-group --log-group-name /chat/connections
aws logs put-retention-policy --log-group-name /chat/connections --retention-in-days 1
aws logs create-log-stream --log-group-name /chat/connections --log-stream-name journal

api=$(aws apigatewayv2 create-api --name chat --protocol-type WEBSOCKET \
    --route-selection-expression '$request.body.action' --query ApiId --output text)

route() { # KEY FUNCTION [OPTION…]
    key=$1 name=$2
    shift 2
    arn=$(aws lambda create-function --function-name "chat-$name" --runtime "$python" --handler "chat.$name" \
        --memory-size 512 --timeout 10 --role "$role" --zip-file "fileb://$here/build/function.zip" \
        --query FunctionArn --output text)
    aws lambda wait function-active-v2 --function-name "chat-$name"
    region=$(echo "$arn" | cut -d: -f4)
    account=$(echo "$arn" | cut -d: -f5)
    aws lambda add-permission --function-name "chat-$name" --statement-id "api-$api" --action lambda:InvokeFunction \
        --principal apigateway.amazonaws.com --source-arn "arn:aws:execute-api:$region:$account:$api/*" >/dev/null
    integration=$(aws apigatewayv2 create-integration --api-id "$api" --integration-type AWS_PROXY \
        --integration-uri "arn:aws:apigateway:$region:lambda:path/2015-03-31/functions/$arn/invocations" \
        --query IntegrationId --output text)
    aws apigatewayv2 create-route --api-id "$api" --route-key "$key" --target "integrations/$integration" "$@" \
        --query RouteId --output text
}

route '$connect' connect >/dev/null
route '$disconnect' disconnect >/dev/null
send=$(route send send --route-response-selection-expression '$default')
aws apigatewayv2 create-route-response --api-id "$api" --route-id "$send" --route-response-key '$default' >/dev/null

deployment=$(aws apigatewayv2 create-deployment --api-id "$api" --query DeploymentId --output text)
aws apigatewayv2 create-stage --api-id "$api" --stage-name live --deployment-id "$deployment" >/dev/null
echo "$(aws apigatewayv2 get-api --api-id "$api" --query ApiEndpoint --output text)/live"
