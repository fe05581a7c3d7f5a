package updraft.boot;

import com.amazonaws.services.lambda.runtime.LambdaLogger;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.FileOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;

/**
 * Runs dummy functions through the real path and forgets them: classes of the JDK and of AWS's library stay loaded and
 * compiled, what a function could see goes.
 */
final class Warmup {
    private static final int ROUNDS = 20;
    private static final String[] HANDLERS = {
        "updraft.warmup.Typed", "updraft.warmup.Streams", "updraft.warmup.Plain::handle",
    };

    private Warmup() {}

    static void run() throws Exception {
        Map<String, String> environment = new HashMap<>(System.getenv());
        LambdaLogger logger = Log.installed();
        String directory = System.getProperty("user.dir");
        ClassLoader loader = Thread.currentThread().getContextClassLoader();
        File jar = new File(Warmup.class.getProtectionDomain().getCodeSource().getLocation().toURI());
        String classes = new File(jar.getParentFile(), "warmup").getPath();
        try (FileOutputStream nowhere = new FileOutputStream("/dev/null")) {
            for (String handler : HANDLERS) {
                call(new Boot(nowhere, (kind, body, length) -> nowhere.write(body, 0, length)), handler, classes);
            }
        } catch (RuntimeException | java.io.IOException e) {
            System.err.println("updraft: the warm-up failed: " + e);
        } finally {
            Process.setEnvironment(environment);
            Log.set(logger);
            System.setProperty("user.dir", directory);
            System.clearProperty("com.amazonaws.xray.traceHeader");
            Thread.currentThread().setContextClassLoader(loader);
        }
    }

    private static void call(Boot boot, String handler, String classes) throws Exception {
        Messages.Settings settings = new Messages.Settings();
        settings.handler = handler;
        settings.env = new HashMap<>();
        settings.env.put("PATH", "/usr/bin");
        settings.task_root = classes;
        if (!boot.load(settings, new File(classes, "none").getPath())) {
            return;
        }
        byte[] event = event();
        for (int round = 0; round < ROUNDS; round++) {
            boot.answer(event);
        }
    }

    private static byte[] event() {
        byte[] header = ("{\"request_id\":\"0\",\"deadline_ms\":0,\"trace_id\":\"Root=1\",\"invoked_function_arn\":\"a\"}")
                .getBytes(StandardCharsets.UTF_8);
        byte[] payload = "{\"name\":\"warm\",\"count\":3,\"items\":[{\"id\":\"a\",\"price\":1.5},{\"id\":\"\u00e9\",\"price\":2}]}"
                .getBytes(StandardCharsets.UTF_8);
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        for (int i = 0; i < 4; i++) {
            body.write(header.length >>> (8 * i));
        }
        body.write(header, 0, header.length);
        body.write(payload, 0, payload.length);
        return body.toByteArray();
    }
}
