#!/bin/sh
# Builds one example and creates its function, or updates it when it is there: deploy.sh NAME
# Goes wherever the AWS CLI points (AWS_ENDPOINT_URL); ROLE_ARN names the execution role.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
name=${1:?usage: deploy.sh thumbnailer|order-api|order-validator|log-summary}
role=${ROLE_ARN:-arn:aws:iam::000000000000:role/updraft-examples}

"$here/$name/build.sh"
if aws lambda get-function --function-name "$name" >/dev/null 2>&1; then
    aws lambda update-function-code --function-name "$name" --zip-file "fileb://$here/$name/build/function.zip" \
        --query CodeSha256 --output text
    aws lambda wait function-updated-v2 --function-name "$name"
else
    # A build may have chosen the runtime's minor version by the machine at hand (see thumbnailer/build.sh).
    runtime=$(cat "$here/$name/build/runtime" 2>/dev/null || true)
    aws lambda create-function --cli-input-json "file://$here/$name/function.json" ${runtime:+--runtime "$runtime"} \
        --role "$role" --zip-file "fileb://$here/$name/build/function.zip" --query FunctionArn --output text
    aws lambda wait function-active-v2 --function-name "$name"
fi
