package updraft.boot;

import com.amazonaws.services.lambda.runtime.LambdaRuntimeInternal;
import java.lang.reflect.Method;

/** Gives the request id to a function's own Log4j, if it uses AWS's appender for it. */
final class Log4j {
    private static final String[][] PLACES = {
        {"org.apache.logging.log4j.ThreadContext", "java.lang.String"}, {"org.apache.log4j.MDC", "java.lang.Object"},
    };

    private Log4j() {}

    static void setRequestId(String requestId) {
        if (!LambdaRuntimeInternal.getUseLog4jAppender()) {
            return;
        }
        for (String[] place : PLACES) {
            try {
                Class<?> type = Class.forName(place[0], true, Thread.currentThread().getContextClassLoader());
                Method put = type.getMethod("put", String.class, Class.forName(place[1]));
                put.invoke(null, "AWSRequestId", requestId);
            } catch (ReflectiveOperationException | LinkageError e) {
                // this generation of Log4j is not there
            }
        }
    }
}
