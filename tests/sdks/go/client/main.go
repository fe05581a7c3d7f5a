// What a Go developer does with a function, through aws-sdk-go-v2.
package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"
)

const name = "from-go"

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "wrong:", err)
		os.Exit(1)
	}
}

func expect(ok bool, what string, seen ...any) {
	if !ok {
		check(fmt.Errorf("%s: %v", what, seen))
	}
	fmt.Println("ok:", what)
}

func main() {
	ctx := context.Background()
	zip, err := os.ReadFile(os.Args[1])
	check(err)
	settings, err := config.LoadDefaultConfig(ctx, config.WithRetryMaxAttempts(1))
	check(err)
	client := lambda.NewFromConfig(settings)

	created, err := client.CreateFunction(ctx, &lambda.CreateFunctionInput{
		FunctionName: aws.String(name),
		Runtime:      types.Runtime(os.Args[2]),
		Handler:      aws.String(os.Args[3]),
		Role:         aws.String("arn:aws:iam::000000000000:role/worker"),
		Code:         &types.FunctionCode{ZipFile: zip},
		MemorySize:   aws.Int32(512),
		Timeout:      aws.Int32(20),
	})
	check(err)
	expect(created.State == types.StatePending, "a new function is pending", created.State)
	waiter := lambda.NewFunctionActiveV2Waiter(client, func(o *lambda.FunctionActiveV2WaiterOptions) {
		o.MinDelay = 50 * time.Millisecond
	})
	check(waiter.Wait(ctx, &lambda.GetFunctionInput{FunctionName: aws.String(name)}, time.Minute))

	answer, err := client.Invoke(ctx, &lambda.InvokeInput{
		FunctionName: aws.String(name), Payload: []byte(`{"n": 20}`), LogType: types.LogTypeTail,
	})
	check(err)
	var value map[string]any
	check(json.Unmarshal(answer.Payload, &value))
	expect(answer.FunctionError == nil && value["n"] == 21.0, "a function answers", string(answer.Payload))
	tail, err := base64.StdEncoding.DecodeString(*answer.LogResult)
	check(err)
	report := fmt.Sprintf("REPORT RequestId: %v\t", value["request_id"])
	expect(strings.Contains(string(tail), report), "the tail reports under the request's id", string(tail))

	failed, err := client.Invoke(ctx, &lambda.InvokeInput{
		FunctionName: aws.String(name), Payload: []byte(`{"fail": "out of order"}`),
	})
	check(err)
	expect(aws.ToString(failed.FunctionError) == "Unhandled" && strings.Contains(string(failed.Payload), "out of order"),
		"a failure is an answer", string(failed.Payload))

	_, err = client.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: aws.String("nowhere")})
	var missing *types.ResourceNotFoundException
	expect(errors.As(err, &missing) && aws.ToString(missing.Type) == "User" &&
		strings.HasPrefix(missing.ErrorMessage(), "Function not found: arn:aws:lambda:"), "a missing function has its type", err)
	_, err = client.CreateFunction(ctx, &lambda.CreateFunctionInput{
		FunctionName: aws.String(name), Runtime: types.Runtime(os.Args[2]), Handler: aws.String(os.Args[3]),
		Role: aws.String("arn:aws:iam::000000000000:role/worker"), Code: &types.FunctionCode{ZipFile: zip},
	})
	var conflict *types.ResourceConflictException
	expect(errors.As(err, &conflict), "a second one conflicts", err)
	_, err = client.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: aws.String("not a name")})
	var general smithy.APIError
	expect(errors.As(err, &general) && general.ErrorCode() == "ValidationException", "a wrong name is a validation error", err)

	whole(ctx, client)

	_, err = client.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: aws.String(name)})
	check(err)
}
