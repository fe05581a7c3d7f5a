package updraft.boot;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.util.HashMap;

/**
 * Starts one Java sandbox: {@code java <flags> -jar boot.jar [--exec]}. Expects descriptor 3 to be the frames channel and,
 * by {@code _LAMBDA_TELEMETRY_LOG_FD}, the log pipe (4). Warms itself with a dummy function, says {@code P}, waits for its
 * function. With {@code --exec} (the function is known and waits for us) nothing is warmed.
 */
public final class Boot {
    private static final String TELEMETRY = "_LAMBDA_TELEMETRY_LOG_FD";
    private static final String TRACE_ID = "com.amazonaws.xray.traceHeader";

    private final FileOutputStream telemetry;
    private final ByteArrayOutputStream answer = new ByteArrayOutputStream(1024);
    private final Sender sender;
    private Log log;
    private Handler handler;
    private FunctionContext.Function function;

    /** Where frames go. */
    interface Sender {
        void send(byte kind, byte[] body, int length) throws Exception;
    }

    Boot(FileOutputStream telemetry, Sender sender) {
        this.telemetry = telemetry;
        this.sender = sender;
    }

    /** The way in. */
    public static void main(String[] arguments) throws Exception {
        System.setOut(output(FileDescriptor.out));
        System.setErr(output(FileDescriptor.err));
        String number = System.getenv(TELEMETRY);
        FileOutputStream telemetry =
                number == null ? null : new FileOutputStream(Process.descriptor(Integer.parseInt(number)));
        Channel channel = new Channel(3);
        if (arguments.length == 0) {
            Warmup.run();
        }
        new Boot(telemetry, channel::send).live(channel);
        Runtime.getRuntime().halt(0); // the server has closed its end: the sandbox is over
    }

    private static PrintStream output(FileDescriptor descriptor) throws Exception {
        return new PrintStream(new FileOutputStream(descriptor), false, "UTF-8");
    }

    private void live(Channel channel) throws Exception {
        send(Channel.PARKED, new byte[0]);
        byte[] body = channel.receive();
        if (body == null) {
            return;
        }
        Messages.Settings settings = Messages.read(Messages.SETTINGS, body, 0, body.length);
        if (!load(settings, layerJars(settings))) {
            System.exit(1);
        }
        if (Snapshot.isWanted()) {
            becomeSnapshot(channel);
        }
        send(Channel.INIT_DONE, new byte[0]);
        while ((body = channel.receive()) != null) {
            boolean goesOn = answer(body);
            if (!goesOn) {
                System.exit(0);
            }
        }
    }

    /** From the end of init to the end of the restore. Ends the process, as AWS's client does, if a hook fails. */
    private void becomeSnapshot(Channel channel) throws Exception {
        end(Snapshot.before(), Channel.INIT_FAILED);
        send(Channel.SNAPSHOT_READY, new byte[0]);
        if (channel.receive() == null) {
            Runtime.getRuntime().halt(0);
        }
        end(Snapshot.after(), Channel.RESTORE_FAILED);
    }

    private void end(Fault fault, byte kind) throws Exception {
        if (fault != null) {
            log.fault(fault);
            send(kind, fault.document());
            System.exit(64);
        }
    }

    /** Where layers' jars are: in AWS's place, or (without a sandbox) where the settings say. */
    private static String layerJars(Messages.Settings settings) {
        if (settings.sys_path != null) {
            for (String directory : settings.sys_path) {
                if (directory.endsWith("/java/lib")) {
                    return directory;
                }
            }
        }
        return "/opt/java/lib";
    }

    /** Becomes the function; whether that worked. */
    boolean load(Messages.Settings settings, String layerJars) throws Exception {
        String taskRoot = settings.task_root == null ? "/var/task" : settings.task_root;
        HashMap<String, String> environment = new HashMap<>(settings.env == null ? System.getenv() : settings.env);
        environment.remove(TELEMETRY);
        Process.setEnvironment(environment);
        System.setProperty("user.dir", taskRoot);
        if (Snapshot.isWanted()) {
            Snapshot.offerHooks();
        }
        log = new Log(telemetry);
        log.install();
        function = new FunctionContext.Function(settings);
        ClassLoader loader = HandlerLoader.classLoader(taskRoot, layerJars);
        Thread.currentThread().setContextClassLoader(loader);
        try {
            handler = HandlerLoader.load(settings.handler, loader);
        } catch (Fault fault) {
            log.fault(fault);
            send(Channel.INIT_FAILED, fault.document());
            return false;
        }
        return true;
    }

    /** Runs one event and sends its answer; whether the process can go on. */
    boolean answer(byte[] body) throws Exception {
        int headerBytes = Channel.littleEndian(body, 0);
        Messages.Header header = Messages.read(Messages.HEADER, body, 4, headerBytes);
        setTraceId(header.trace_id);
        log.setRequestId(header.request_id);
        int payloadAt = 4 + headerBytes;
        answer.reset();
        try {
            ByteArrayInputStream event = new ByteArrayInputStream(body, payloadAt, body.length - payloadAt);
            FunctionContext context = new FunctionContext(function, header);
            Log4j.setRequestId(header.request_id);
            handler.handle(event, answer, context);
        } catch (Throwable thrown) {
            Fault fault = Fault.invoking(thrown);
            log.fault(fault);
            send(Channel.ERROR, fault.document());
            return !fault.isFatal;
        }
        byte[] bytes = answer.toByteArray();
        sender.send(Channel.RESULT, bytes, bytes.length);
        Thread.interrupted(); // user code may have left it set
        return true;
    }

    private void send(byte kind, byte[] body) throws Exception {
        sender.send(kind, body, body.length);
    }

    private String traceId;

    private void setTraceId(String id) {
        if (id == null ? traceId == null : id.equals(traceId)) {
            return;
        }
        traceId = id;
        if (id == null) {
            System.clearProperty(TRACE_ID);
        } else {
            System.setProperty(TRACE_ID, id);
        }
    }
}
