package updraft.boot;

import com.amazonaws.services.lambda.runtime.LambdaLogger;
import com.amazonaws.services.lambda.runtime.logging.LogFormat;
import com.amazonaws.services.lambda.runtime.logging.LogLevel;
import com.amazonaws.services.lambda.runtime.serialization.PojoSerializer;
import com.amazonaws.services.lambda.runtime.serialization.factories.GsonFactory;
import java.io.ByteArrayOutputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.lang.reflect.Field;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;

/**
 * The function's logger: one telemetry frame per record (u32 big-endian type, u32 length, u64 microseconds since 1970,
 * text), or stdout without the descriptor. The type's low bits say text or JSON and the level.
 */
final class Log implements LambdaLogger {
    private static final int TYPE = 0xa55a0002;
    private static final DateTimeFormatter TIME =
            DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'").withZone(ZoneOffset.UTC);
    private static final PojoSerializer<Record> RECORD = GsonFactory.getInstance().getSerializer(Record.class);

    private final FileOutputStream frames;
    private final LogFormat format;
    private final LogLevel least;
    private volatile String requestId;

    /** One record in JSON format. */
    private static final class Record {
        String timestamp;
        String message;
        LogLevel level;
        String AWSRequestId;
    }

    Log(FileOutputStream frames) {
        this.frames = frames;
        this.format = LogFormat.fromString(orElse(System.getenv("AWS_LAMBDA_LOG_FORMAT"), "TEXT"));
        this.least = LogLevel.fromString(orElse(System.getenv("AWS_LAMBDA_LOG_LEVEL"), "UNDEFINED"));
    }

    private static String orElse(String value, String other) {
        return value == null ? other : value;
    }

    /** Makes this the logger that {@code LambdaRuntime.getLogger()} gives out. */
    void install() throws ReflectiveOperationException {
        set(this);
    }

    static LambdaLogger installed() throws ReflectiveOperationException {
        return (LambdaLogger) field().get(null);
    }

    static void set(LambdaLogger logger) throws ReflectiveOperationException {
        field().set(null, logger);
    }

    private static Field field() throws ReflectiveOperationException {
        Field field = com.amazonaws.services.lambda.runtime.LambdaRuntime.class.getDeclaredField("logger");
        field.setAccessible(true);
        return field;
    }

    void setRequestId(String requestId) {
        this.requestId = requestId;
    }

    void fault(Fault fault) {
        log(fault.logText(), format == LogFormat.JSON ? LogLevel.ERROR : LogLevel.UNDEFINED);
    }

    @Override
    public void log(String message) {
        log(message, LogLevel.UNDEFINED);
    }

    @Override
    public void log(byte[] message) {
        log(message, LogLevel.UNDEFINED);
    }

    @Override
    public void log(String message, LogLevel level) {
        if (isShown(level)) {
            write(level, formatted(message, level).getBytes(StandardCharsets.UTF_8));
        }
    }

    @Override
    public void log(byte[] message, LogLevel level) {
        if (isShown(level)) {
            write(level, message);
        }
    }

    private boolean isShown(LogLevel level) {
        return level == LogLevel.UNDEFINED || level.ordinal() >= least.ordinal();
    }

    private String formatted(String message, LogLevel level) {
        if (format != LogFormat.JSON) {
            return level == LogLevel.UNDEFINED ? String.valueOf(message) : "[" + level + "] " + message;
        }
        Record record = new Record();
        record.timestamp = TIME.format(Instant.now());
        record.message = message;
        record.level = level;
        record.AWSRequestId = requestId;
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        RECORD.toJson(record, out);
        return new String(out.toByteArray(), StandardCharsets.UTF_8) + "\n";
    }

    private synchronized void write(LogLevel level, byte[] text) {
        if (frames == null) {
            System.out.write(text, 0, text.length);
            System.out.flush();
            return;
        }
        Instant now = Instant.now();
        ByteBuffer frame = ByteBuffer.allocate(16 + text.length);
        frame.putInt(TYPE | level.ordinal() << 2 | (format == LogFormat.JSON ? 0 : 1)).putInt(text.length);
        frame.putLong(now.getEpochSecond() * 1_000_000 + now.getNano() / 1000).put(text);
        try {
            frames.write(frame.array());
        } catch (IOException e) {
            e.printStackTrace();
        }
    }
}
