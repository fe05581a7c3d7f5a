package updraft.boot;

import com.amazonaws.services.lambda.runtime.CustomPojoSerializer;
import com.amazonaws.services.lambda.runtime.serialization.PojoSerializer;
import com.amazonaws.services.lambda.runtime.serialization.events.LambdaEventSerializers;
import com.amazonaws.services.lambda.runtime.serialization.factories.JacksonFactory;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.Type;
import java.nio.charset.StandardCharsets;
import java.util.Iterator;
import java.util.ServiceLoader;

/**
 * JSON to and from a handler's types, with AWS's library: the function's own serializer if it brings one, AWS's events by
 * their special rules, everything else by Jackson.
 */
final class Conversion {
    private static final byte[] NULL = "null".getBytes(StandardCharsets.US_ASCII);

    private final PojoSerializer<Object> input;
    private final PojoSerializer<Object> output;

    /** For a handler that takes and returns these; null means "nothing". */
    Conversion(Type taken, Type returned, ClassLoader loader) {
        this.input = taken == null ? null : serializer(taken, loader);
        this.output = isVoid(returned) ? null : serializer(returned, loader);
    }

    Object read(ByteArrayInputStream event) {
        try {
            return input == null ? null : input.fromJson(event);
        } catch (Throwable t) {
            throw new RuntimeException("An error occurred during JSON parsing", Fault.withoutOurs(t));
        }
    }

    void write(Object result, ByteArrayOutputStream answer) {
        try {
            if (output == null) {
                answer.write(NULL);
            } else {
                output.toJson(result, answer);
            }
        } catch (Throwable t) {
            throw new RuntimeException("An error occurred during JSON serialization of response", t);
        }
    }

    static void writeNull(OutputStream answer) throws java.io.IOException {
        answer.write(NULL);
    }

    private static boolean isVoid(Type type) {
        return void.class.equals(type) || Void.class.equals(type);
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    private static PojoSerializer<Object> serializer(Type type, ClassLoader loader) {
        CustomPojoSerializer own = ownSerializer(loader);
        if (own != null) {
            return new Own(own, type);
        }
        if (type instanceof Class && LambdaEventSerializers.isLambdaSupportedEvent(((Class) type).getName())) {
            return LambdaEventSerializers.serializerFor((Class) type, loader);
        }
        return JacksonFactory.getInstance().getSerializer(type);
    }

    private static CustomPojoSerializer ownSerializer(ClassLoader loader) {
        Iterator<CustomPojoSerializer> found = ServiceLoader.load(CustomPojoSerializer.class, loader).iterator();
        if (!found.hasNext()) {
            return null;
        }
        CustomPojoSerializer serializer = found.next();
        if (found.hasNext()) {
            throw new IllegalStateException(
                    "Too many serializers provided inside the META-INF/services folder, only one is allowed");
        }
        return serializer;
    }

    /** A serializer that the function brings, for one type. */
    private static final class Own implements PojoSerializer<Object> {
        private final CustomPojoSerializer serializer;
        private final Type type;

        Own(CustomPojoSerializer serializer, Type type) {
            this.serializer = serializer;
            this.type = type;
        }

        @Override
        public Object fromJson(InputStream in) {
            return serializer.fromJson(in, type);
        }

        @Override
        public Object fromJson(String in) {
            return serializer.fromJson(in, type);
        }

        @Override
        public void toJson(Object value, OutputStream out) {
            serializer.toJson(value, out, type);
        }
    }
}
