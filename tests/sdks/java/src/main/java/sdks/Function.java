package sdks;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.util.Map;

/** A function on AWS's runtime client for Java. */
public class Function implements RequestHandler<Map<String, Object>, Map<String, Object>> {
    @Override
    public Map<String, Object> handleRequest(Map<String, Object> event, Context context) {
        if (event.get("fail") != null) {
            throw new IllegalStateException(event.get("fail").toString());
        }
        int n = ((Number) event.getOrDefault("n", 0)).intValue();
        context.getLogger().log("counted " + n + "\n");
        return Map.of("n", n + 1, "request_id", context.getAwsRequestId());
    }
}
