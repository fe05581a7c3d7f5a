package sdks;

import static sdks.Client.NAME;
import static sdks.Client.expect;

import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.List;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.core.waiters.WaiterOverrideConfiguration;
import software.amazon.awssdk.retries.api.BackoffStrategy;
import software.amazon.awssdk.services.lambda.LambdaAsyncClient;
import software.amazon.awssdk.services.lambda.LambdaClient;
import software.amazon.awssdk.services.lambda.model.FunctionUrlAuthType;
import software.amazon.awssdk.services.lambda.model.InvokeResponse;
import software.amazon.awssdk.services.lambda.model.InvokeWithResponseStreamResponseHandler;
import software.amazon.awssdk.services.lambda.model.PreconditionFailedException;
import software.amazon.awssdk.services.lambda.model.ProvisionedConcurrencyStatusEnum;
import software.amazon.awssdk.services.lambda.model.ThrottleReason;
import software.amazon.awssdk.services.lambda.model.TooManyRequestsException;
import software.amazon.awssdk.services.lambda.waiters.LambdaWaiter;

/** Versions, aliases, concurrency, streams, layers, addresses: the rest of the service. */
final class Whole {
    private static final WaiterOverrideConfiguration QUICKLY = WaiterOverrideConfiguration.builder()
            .backoffStrategyV2(BackoffStrategy.fixedDelay(Duration.ofMillis(50)))
            .build();

    private Whole() {}

    static void run(LambdaClient lambda, LambdaWaiter waiter) throws Exception {
        String version = aliases(lambda, waiter);
        concurrency(lambda, version);
        stream();
        layer(lambda, waiter);
        address(lambda);
        lambda.putFunctionEventInvokeConfig(r -> r.functionName(NAME).maximumRetryAttempts(0).maximumEventAgeInSeconds(60));
        var events = lambda.listFunctionEventInvokeConfigs(r -> r.functionName(NAME)).functionEventInvokeConfigs();
        expect(events.size() == 1 && events.get(0).maximumRetryAttempts() == 0, "asynchronous invocation is configured", events);
    }

    private static String aliases(LambdaClient lambda, LambdaWaiter waiter) {
        String version = lambda.publishVersion(r -> r.functionName(NAME)).version();
        waiter.waitUntilPublishedVersionActive(
                software.amazon.awssdk.services.lambda.model.GetFunctionConfigurationRequest.builder()
                        .functionName(NAME).qualifier(version).build(), QUICKLY);
        String alias = lambda.createAlias(r -> r.functionName(NAME).name("live").functionVersion(version)).aliasArn();
        InvokeResponse answer = lambda.invoke(r -> r.functionName(alias).payload(SdkBytes.fromUtf8String("{\"n\": 1}")));
        expect(version.equals(answer.executedVersion()), "an alias runs its version", answer);
        try {
            lambda.updateAlias(r -> r.functionName(NAME).name("live").revisionId("an older one"));
            throw new AssertionError("an old revision is taken");
        } catch (PreconditionFailedException e) {
            expect(e.statusCode() == 412, "an old revision is refused", e);
        }
        return version;
    }

    private static void concurrency(LambdaClient lambda, String version) throws Exception {
        lambda.putFunctionConcurrency(r -> r.functionName(NAME).reservedConcurrentExecutions(0));
        try {
            lambda.invoke(r -> r.functionName(NAME).payload(SdkBytes.fromUtf8String("{\"n\": 1}")));
            throw new AssertionError("not throttled");
        } catch (TooManyRequestsException e) {
            expect(e.reason() == ThrottleReason.RESERVED_FUNCTION_CONCURRENT_INVOCATION_LIMIT_EXCEEDED,
                    "a throttle has its reason", e.reasonAsString());
        }
        lambda.deleteFunctionConcurrency(r -> r.functionName(NAME));
        lambda.putProvisionedConcurrencyConfig(
                r -> r.functionName(NAME).qualifier(version).provisionedConcurrentExecutions(1));
        ProvisionedConcurrencyStatusEnum status;
        do {
            Thread.sleep(50);
            status = lambda.getProvisionedConcurrencyConfig(r -> r.functionName(NAME).qualifier(version)).status();
        } while (status == ProvisionedConcurrencyStatusEnum.IN_PROGRESS);
        expect(status == ProvisionedConcurrencyStatusEnum.READY, "provisioned concurrency gets ready", status);
        lambda.deleteProvisionedConcurrencyConfig(r -> r.functionName(NAME).qualifier(version));
    }

    private static void stream() {
        StringBuffer body = new StringBuffer();
        InvokeWithResponseStreamResponseHandler handler = InvokeWithResponseStreamResponseHandler.builder()
                .subscriber(InvokeWithResponseStreamResponseHandler.Visitor.builder()
                        .onPayloadChunk(chunk -> body.append(chunk.payload().asUtf8String()))
                        .onInvokeComplete(end -> body.append(end.errorCode() == null ? " complete" : end.errorCode()))
                        .build())
                .build();
        try (LambdaAsyncClient lambda = LambdaAsyncClient.create()) {
            lambda.invokeWithResponseStream(
                    r -> r.functionName(NAME).payload(SdkBytes.fromUtf8String("{\"n\": 20}")), handler).join();
        }
        expect(body.indexOf("21") > 0 && body.toString().endsWith(" complete"), "an answer streams", body);
    }

    private static void layer(LambdaClient lambda, LambdaWaiter waiter) throws Exception {
        ByteArrayOutputStream packed = new ByteArrayOutputStream();
        try (ZipOutputStream zip = new ZipOutputStream(packed)) {
            zip.putNextEntry(new ZipEntry("words.txt"));
            zip.write("words".getBytes());
        }
        var layer = lambda.publishLayerVersion(
                r -> r.layerName(NAME).content(c -> c.zipFile(SdkBytes.fromByteArray(packed.toByteArray()))));
        var layers = lambda.updateFunctionConfiguration(
                r -> r.functionName(NAME).layers(List.of(layer.layerVersionArn()))).layers();
        expect(layers.size() == 1 && layers.get(0).codeSize() == packed.size(), "a layer is attached", layers);
        lambda.deleteLayerVersion(r -> r.layerName(NAME).versionNumber(layer.version()));
        waiter.waitUntilFunctionUpdatedV2(
                software.amazon.awssdk.services.lambda.model.GetFunctionRequest.builder().functionName(NAME).build(), QUICKLY);
    }

    private static void address(LambdaClient lambda) throws Exception {
        String url = lambda.createFunctionUrlConfig(r -> r.functionName(NAME).authType(FunctionUrlAuthType.NONE)).functionUrl();
        lambda.addPermission(r -> r.functionName(NAME).statementId("all").action("lambda:InvokeFunctionUrl").principal("*")
                .functionUrlAuthType(FunctionUrlAuthType.NONE));
        HttpRequest request = HttpRequest.newBuilder(URI.create(url)).POST(HttpRequest.BodyPublishers.ofString("{}")).build();
        HttpResponse<String> answer = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
        expect(answer.statusCode() == 200, "a function has an address", answer.statusCode() + " " + answer.body());
        lambda.deleteFunctionUrlConfig(r -> r.functionName(NAME));
    }
}
