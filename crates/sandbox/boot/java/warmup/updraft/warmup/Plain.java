package updraft.warmup;

import com.amazonaws.services.lambda.runtime.Context;
import java.util.Map;

/** The warm-up's dummy as a plain method. */
public class Plain {
    public Map<String, Object> handle(Map<String, Object> event, Context context) {
        if (event.isEmpty()) {
            throw new IllegalStateException("never");
        }
        return event;
    }
}
