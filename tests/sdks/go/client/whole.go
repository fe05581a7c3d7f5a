package main

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// Versions, aliases, concurrency, streams, layers, addresses: the rest of the service.
func whole(ctx context.Context, client *lambda.Client) {
	version := aliases(ctx, client)
	concurrency(ctx, client, version)
	stream(ctx, client)
	layer(ctx, client)
	address(ctx, client)
	_, err := client.PutFunctionEventInvokeConfig(ctx, &lambda.PutFunctionEventInvokeConfigInput{
		FunctionName: aws.String(name), MaximumRetryAttempts: aws.Int32(0), MaximumEventAgeInSeconds: aws.Int32(60),
	})
	check(err)
	events, err := client.ListFunctionEventInvokeConfigs(ctx, &lambda.ListFunctionEventInvokeConfigsInput{
		FunctionName: aws.String(name),
	})
	check(err)
	expect(len(events.FunctionEventInvokeConfigs) == 1 && *events.FunctionEventInvokeConfigs[0].MaximumRetryAttempts == 0,
		"asynchronous invocation is configured", events)
}

func aliases(ctx context.Context, client *lambda.Client) string {
	published, err := client.PublishVersion(ctx, &lambda.PublishVersionInput{FunctionName: aws.String(name)})
	check(err)
	waiter := lambda.NewPublishedVersionActiveWaiter(client, func(o *lambda.PublishedVersionActiveWaiterOptions) {
		o.MinDelay = 50 * time.Millisecond
	})
	check(waiter.Wait(ctx, &lambda.GetFunctionConfigurationInput{
		FunctionName: aws.String(name), Qualifier: published.Version,
	}, time.Minute))
	alias, err := client.CreateAlias(ctx, &lambda.CreateAliasInput{
		FunctionName: aws.String(name), Name: aws.String("live"), FunctionVersion: published.Version,
	})
	check(err)
	answer, err := client.Invoke(ctx, &lambda.InvokeInput{
		FunctionName: alias.AliasArn, Payload: []byte(`{"n": 1}`),
	})
	check(err)
	expect(aws.ToString(answer.ExecutedVersion) == *published.Version, "an alias runs its version", answer.ExecutedVersion)
	_, err = client.UpdateAlias(ctx, &lambda.UpdateAliasInput{
		FunctionName: aws.String(name), Name: aws.String("live"), RevisionId: aws.String("an older one"),
	})
	var stale *types.PreconditionFailedException
	expect(errors.As(err, &stale), "an old revision is refused", err)
	return *published.Version
}

func concurrency(ctx context.Context, client *lambda.Client, version string) {
	_, err := client.PutFunctionConcurrency(ctx, &lambda.PutFunctionConcurrencyInput{
		FunctionName: aws.String(name), ReservedConcurrentExecutions: aws.Int32(0),
	})
	check(err)
	_, err = client.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String(name), Payload: []byte(`{"n": 1}`)})
	var throttled *types.TooManyRequestsException
	expect(errors.As(err, &throttled) && throttled.Reason == types.ThrottleReasonReservedFunctionConcurrentInvocationLimitExceeded,
		"a throttle has its reason", err)
	_, err = client.DeleteFunctionConcurrency(ctx, &lambda.DeleteFunctionConcurrencyInput{FunctionName: aws.String(name)})
	check(err)
	_, err = client.PutProvisionedConcurrencyConfig(ctx, &lambda.PutProvisionedConcurrencyConfigInput{
		FunctionName: aws.String(name), Qualifier: aws.String(version), ProvisionedConcurrentExecutions: aws.Int32(1),
	})
	check(err)
	for {
		provisioned, err := client.GetProvisionedConcurrencyConfig(ctx, &lambda.GetProvisionedConcurrencyConfigInput{
			FunctionName: aws.String(name), Qualifier: aws.String(version),
		})
		check(err)
		if provisioned.Status != types.ProvisionedConcurrencyStatusEnumInProgress {
			expect(provisioned.Status == types.ProvisionedConcurrencyStatusEnumReady, "provisioned concurrency gets ready", provisioned)
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	_, err = client.DeleteProvisionedConcurrencyConfig(ctx, &lambda.DeleteProvisionedConcurrencyConfigInput{
		FunctionName: aws.String(name), Qualifier: aws.String(version),
	})
	check(err)
}

func stream(ctx context.Context, client *lambda.Client) {
	streamed, err := client.InvokeWithResponseStream(ctx, &lambda.InvokeWithResponseStreamInput{
		FunctionName: aws.String(name), Payload: []byte(`{"n": 20}`),
	})
	check(err)
	var body []byte
	complete := false
	for event := range streamed.GetStream().Events() {
		switch event := event.(type) {
		case *types.InvokeWithResponseStreamResponseEventMemberPayloadChunk:
			body = append(body, event.Value.Payload...)
		case *types.InvokeWithResponseStreamResponseEventMemberInvokeComplete:
			complete = event.Value.ErrorCode == nil
		}
	}
	check(streamed.GetStream().Err())
	expect(complete && strings.Contains(string(body), "21"), "an answer streams", string(body))
}

func layer(ctx context.Context, client *lambda.Client) {
	var packed bytes.Buffer
	archive := zip.NewWriter(&packed)
	file, err := archive.Create("words.txt")
	check(err)
	_, err = file.Write([]byte("words"))
	check(err)
	check(archive.Close())
	published, err := client.PublishLayerVersion(ctx, &lambda.PublishLayerVersionInput{
		LayerName: aws.String(name), Content: &types.LayerVersionContentInput{ZipFile: packed.Bytes()},
	})
	check(err)
	updated, err := client.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{
		FunctionName: aws.String(name), Layers: []string{*published.LayerVersionArn},
	})
	check(err)
	expect(len(updated.Layers) == 1 && updated.Layers[0].CodeSize == int64(packed.Len()), "a layer is attached", updated.Layers)
	_, err = client.DeleteLayerVersion(ctx, &lambda.DeleteLayerVersionInput{
		LayerName: aws.String(name), VersionNumber: aws.Int64(published.Version),
	})
	check(err)
	waiter := lambda.NewFunctionUpdatedV2Waiter(client, func(o *lambda.FunctionUpdatedV2WaiterOptions) {
		o.MinDelay = 50 * time.Millisecond
	})
	check(waiter.Wait(ctx, &lambda.GetFunctionInput{FunctionName: aws.String(name)}, time.Minute))
}

func address(ctx context.Context, client *lambda.Client) {
	created, err := client.CreateFunctionUrlConfig(ctx, &lambda.CreateFunctionUrlConfigInput{
		FunctionName: aws.String(name), AuthType: types.FunctionUrlAuthTypeNone,
	})
	check(err)
	_, err = client.AddPermission(ctx, &lambda.AddPermissionInput{
		FunctionName: aws.String(name), StatementId: aws.String("all"), Action: aws.String("lambda:InvokeFunctionUrl"),
		Principal: aws.String("*"), FunctionUrlAuthType: types.FunctionUrlAuthTypeNone,
	})
	check(err)
	answer, err := http.Post(*created.FunctionUrl, "application/json", strings.NewReader(`{}`))
	check(err)
	body, err := io.ReadAll(answer.Body)
	check(err)
	expect(answer.StatusCode == http.StatusOK, "a function has an address", answer.StatusCode, string(body))
	_, err = client.DeleteFunctionUrlConfig(ctx, &lambda.DeleteFunctionUrlConfigInput{FunctionName: aws.String(name)})
	check(err)
}
