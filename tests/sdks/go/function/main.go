// A function on AWS's runtime client for Go.
package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	N    int    `json:"n"`
	Fail string `json:"fail"`
}

type answer struct {
	N         int    `json:"n"`
	RequestID string `json:"request_id"`
}

func handle(ctx context.Context, e event) (answer, error) {
	if e.Fail != "" {
		return answer{}, errors.New(e.Fail)
	}
	about, _ := lambdacontext.FromContext(ctx)
	fmt.Println("counted", e.N)
	return answer{N: e.N + 1, RequestID: about.AwsRequestID}, nil
}

func main() { lambda.Start(handle) }
