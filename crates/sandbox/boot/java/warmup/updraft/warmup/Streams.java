package updraft.warmup;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestStreamHandler;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;

/** The warm-up's dummy on streams. */
public class Streams implements RequestStreamHandler {
    @Override
    public void handleRequest(InputStream in, OutputStream out, Context context) throws IOException {
        byte[] event = in.readAllBytes();
        String text = new String(event, StandardCharsets.UTF_8);
        out.write(("{\"length\":" + text.length() + "}").getBytes(StandardCharsets.UTF_8));
    }
}
