package updraft.boot;

import com.amazonaws.services.lambda.runtime.serialization.PojoSerializer;
import com.amazonaws.services.lambda.runtime.serialization.factories.GsonFactory;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.util.List;
import java.util.Map;

/** The JSON in frames, field by field as it is called there. */
final class Messages {
    private Messages() {}

    static final PojoSerializer<Settings> SETTINGS = GsonFactory.getInstance().getSerializer(Settings.class);
    static final PojoSerializer<Header> HEADER = GsonFactory.getInstance().getSerializer(Header.class);
    private static final PojoSerializer<Failure> FAILURE = GsonFactory.getInstance().getSerializer(Failure.class);

    /** A function's settings. */
    static final class Settings {
        String handler;
        /** Absent when the process was started with it. */
        Map<String, String> env;
        String task_root;
        String function_name;
        String function_version;
        int memory_mb = 128;
        String log_group;
        String log_stream;
        List<String> sys_path;
    }

    /** What comes before an event's payload. */
    static final class Header {
        String request_id;
        long deadline_ms;
        String invoked_function_arn;
        String trace_id;
        String client_context;
        String cognito_identity;
        String tenant_id;
    }

    /** AWS's error document; absent fields are left out. */
    static final class Failure {
        String errorMessage;
        String errorType;
        String[] stackTrace;
    }

    static <T> T read(PojoSerializer<T> serializer, byte[] bytes, int from, int length) {
        return serializer.fromJson(new ByteArrayInputStream(bytes, from, length));
    }

    static byte[] write(Failure failure) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        FAILURE.toJson(failure, out);
        return out.toByteArray();
    }
}
