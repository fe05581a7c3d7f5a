package sdks;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.retries.api.BackoffStrategy;
import software.amazon.awssdk.services.lambda.LambdaClient;
import software.amazon.awssdk.services.lambda.model.CreateFunctionRequest;
import software.amazon.awssdk.services.lambda.model.InvokeResponse;
import software.amazon.awssdk.services.lambda.model.LambdaException;
import software.amazon.awssdk.services.lambda.model.LogType;
import software.amazon.awssdk.services.lambda.model.ResourceConflictException;
import software.amazon.awssdk.services.lambda.model.ResourceNotFoundException;
import software.amazon.awssdk.services.lambda.model.State;
import software.amazon.awssdk.services.lambda.waiters.LambdaWaiter;

/** What a Java developer does with a function, through AWS's SDK for Java v2. */
public final class Client {
    static final String NAME = "from-java";

    static void expect(boolean ok, String what, Object seen) {
        if (!ok) {
            throw new AssertionError(what + ": " + seen);
        }
        System.out.println("ok: " + what);
    }

    private static InvokeResponse invoke(LambdaClient lambda, String event) {
        return lambda.invoke(r -> r.functionName(NAME).payload(SdkBytes.fromUtf8String(event)).logType(LogType.TAIL));
    }

    public static void main(String[] words) throws Exception {
        CreateFunctionRequest create = CreateFunctionRequest.builder()
                .functionName(NAME)
                .runtime(words[1])
                .handler(words[2])
                .role("arn:aws:iam::000000000000:role/worker")
                .code(c -> {
                    try {
                        c.zipFile(SdkBytes.fromByteArray(Files.readAllBytes(Path.of(words[0]))));
                    } catch (java.io.IOException e) {
                        throw new java.io.UncheckedIOException(e);
                    }
                })
                .memorySize(512)
                .timeout(20)
                .build();
        try (LambdaClient lambda = LambdaClient.create();
                LambdaWaiter waiter = LambdaWaiter.builder().client(lambda).build()) {
            expect(lambda.createFunction(create).state() == State.PENDING, "a new function is pending", NAME);
            waiter.waitUntilFunctionActiveV2(
                    r -> r.functionName(NAME),
                    c -> c.backoffStrategyV2(BackoffStrategy.fixedDelay(java.time.Duration.ofMillis(50))));

            InvokeResponse answer = invoke(lambda, "{\"n\": 20}");
            String payload = answer.payload().asUtf8String();
            expect(answer.functionError() == null && payload.contains("\"n\":21"), "a function answers", payload);
            String tail = new String(Base64.getDecoder().decode(answer.logResult()), StandardCharsets.UTF_8);
            String id = answer.responseMetadata().requestId();
            expect(tail.contains("REPORT RequestId: " + id + "\t"), "the tail reports under the request's id", tail);

            InvokeResponse failed = invoke(lambda, "{\"fail\": \"out of order\"}");
            expect("Unhandled".equals(failed.functionError()) && failed.payload().asUtf8String().contains("out of order"),
                    "a failure is an answer", failed);

            try {
                lambda.getFunction(r -> r.functionName("nowhere"));
                throw new AssertionError("nowhere is found");
            } catch (ResourceNotFoundException e) {
                String message = e.awsErrorDetails().errorMessage();
                expect(message.startsWith("Function not found: arn:aws:lambda:") && "User".equals(e.type()),
                        "a missing function has its type", message + " " + e.type());
            }
            try {
                lambda.createFunction(create);
                throw new AssertionError("created twice");
            } catch (ResourceConflictException e) {
                expect(e.statusCode() == 409, "a second one conflicts", e);
            }
            try {
                lambda.getFunction(r -> r.functionName("not a name"));
                throw new AssertionError("not a name is found");
            } catch (LambdaException e) {
                expect("ValidationException".equals(e.awsErrorDetails().errorCode()), "a wrong name is a validation error", e);
            }
            Whole.run(lambda, waiter);
            lambda.deleteFunction(r -> r.functionName(NAME));
        }
    }
}
