package updraft.boot;

import com.amazonaws.services.lambda.runtime.Client;
import com.amazonaws.services.lambda.runtime.ClientContext;
import com.amazonaws.services.lambda.runtime.CognitoIdentity;
import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.LambdaLogger;
import com.amazonaws.services.lambda.runtime.LambdaRuntime;
import com.amazonaws.services.lambda.runtime.serialization.factories.GsonFactory;
import java.util.Map;

/** The handler's context argument. */
final class FunctionContext implements Context {
    private final Function function;
    private final Messages.Header header;
    private final CognitoIdentity identity;
    private final ClientContext clientContext;

    FunctionContext(Function function, Messages.Header header) {
        this.function = function;
        this.header = header;
        this.identity = parsed(header.cognito_identity, Identity.class);
        this.clientContext = parsed(header.client_context, Caller.class);
    }

    private static <T> T parsed(String json, Class<T> type) {
        return json == null || json.isEmpty() ? null : GsonFactory.getInstance().getSerializer(type).fromJson(json);
    }

    /** What is the same for all events of a function. */
    static final class Function {
        final String name;
        final String version;
        final String logGroup;
        final String logStream;
        final int memoryMb;

        Function(Messages.Settings settings) {
            name = environment("AWS_LAMBDA_FUNCTION_NAME", settings.function_name);
            version = environment("AWS_LAMBDA_FUNCTION_VERSION", settings.function_version);
            logGroup = environment("AWS_LAMBDA_LOG_GROUP_NAME", settings.log_group);
            logStream = environment("AWS_LAMBDA_LOG_STREAM_NAME", settings.log_stream);
            memoryMb = settings.memory_mb;
        }

        private static String environment(String name, String otherwise) {
            String value = System.getenv(name);
            return value == null ? otherwise : value;
        }
    }

    /** The Amazon Cognito identity of the caller. */
    static final class Identity implements CognitoIdentity {
        private String cognitoIdentityId;
        private String cognitoIdentityPoolId;

        @Override
        public String getIdentityId() {
            return cognitoIdentityId;
        }

        @Override
        public String getIdentityPoolId() {
            return cognitoIdentityPoolId;
        }
    }

    /** What the caller sent as ClientContext. */
    static final class Caller implements ClientContext {
        private Application client;
        private Map<String, String> custom;
        private Map<String, String> env;

        @Override
        public Client getClient() {
            return client;
        }

        @Override
        public Map<String, String> getCustom() {
            return custom;
        }

        @Override
        public Map<String, String> getEnvironment() {
            return env;
        }
    }

    /** The mobile application that calls. */
    static final class Application implements Client {
        private String installation_id;
        private String app_title;
        private String app_version_name;
        private String app_version_code;
        private String app_package_name;

        @Override
        public String getInstallationId() {
            return installation_id;
        }

        @Override
        public String getAppTitle() {
            return app_title;
        }

        @Override
        public String getAppVersionName() {
            return app_version_name;
        }

        @Override
        public String getAppVersionCode() {
            return app_version_code;
        }

        @Override
        public String getAppPackageName() {
            return app_package_name;
        }
    }

    @Override
    public String getAwsRequestId() {
        return header.request_id;
    }

    @Override
    public String getLogGroupName() {
        return function.logGroup;
    }

    @Override
    public String getLogStreamName() {
        return function.logStream;
    }

    @Override
    public String getFunctionName() {
        return function.name;
    }

    @Override
    public String getFunctionVersion() {
        return function.version;
    }

    @Override
    public String getInvokedFunctionArn() {
        return header.invoked_function_arn;
    }

    @Override
    public CognitoIdentity getIdentity() {
        return identity;
    }

    @Override
    public ClientContext getClientContext() {
        return clientContext;
    }

    @Override
    public int getRemainingTimeInMillis() {
        return (int) Math.max(0, header.deadline_ms - System.currentTimeMillis());
    }

    @Override
    public int getMemoryLimitInMB() {
        return function.memoryMb;
    }

    @Override
    public LambdaLogger getLogger() {
        return LambdaRuntime.getLogger();
    }

    // Not in the interface of the core library that is built against, but in later ones; a function may ask for it.
    public String getTenantId() {
        return header.tenant_id;
    }
}
