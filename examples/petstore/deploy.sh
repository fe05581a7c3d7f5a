#!/bin/sh
# Creates the function and the REST API before it; prints the API's address.
# Goes wherever the AWS CLI points (AWS_ENDPOINT_URL); ROLE_ARN names the execution role.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
role=${ROLE_ARN:-arn:aws:iam::000000000000:role/updraft-examples}
python=${PYTHON:-python3}
stage=v2 # the document's basePath
mkdir -p "$here/build"
(cd "$here/functions" && "$python" ../../zip.py ../build/pets.zip pets.py pets.json)

arn=$(aws lambda create-function --function-name petstore-pets --runtime "${PYTHON_RUNTIME:-python3.12}" --handler pets.handler \
    --memory-size 256 --timeout 10 --role "$role" --zip-file "fileb://$here/build/pets.zip" --query FunctionArn --output text)
aws lambda wait function-active-v2 --function-name petstore-pets
region=$(echo "$arn" | cut -d: -f4)
account=$(echo "$arn" | cut -d: -f5)
"$python" "$here/merge.py" "$here/petstore.json" "$here/extensions.json" \
    "arn:aws:apigateway:$region:lambda:path/2015-03-31/functions/$arn/invocations" >"$here/build/api.json"
api=$(aws apigateway import-rest-api --body "fileb://$here/build/api.json" \
    --parameters endpointConfigurationTypes=REGIONAL --query id --output text)
aws lambda add-permission --function-name petstore-pets --statement-id "api-$api" --action lambda:InvokeFunction \
    --principal apigateway.amazonaws.com --source-arn "arn:aws:execute-api:$region:$account:$api/*" >/dev/null
aws apigateway create-deployment --rest-api-id "$api" --stage-name "$stage" >/dev/null
if [ -n "${AWS_ENDPOINT_URL:-}" ]; then
    echo "$AWS_ENDPOINT_URL/_aws/execute-api/$api/$stage"
else
    echo "https://$api.execute-api.$region.amazonaws.com/$stage"
fi
