package updraft.boot;

import java.io.FileDescriptor;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.util.Map;

/**
 * Things of the process that Java has no public way to change. A parked process learns its environment after it has
 * started, so this reaches into the JDK; the jar's manifest opens java.lang, java.io and java.util for it.
 */
final class Process {
    private Process() {}

    static FileDescriptor descriptor(int number) throws ReflectiveOperationException {
        Constructor<FileDescriptor> constructor = FileDescriptor.class.getDeclaredConstructor(int.class);
        constructor.setAccessible(true);
        return constructor.newInstance(number);
    }

    /** Replaces the environment that {@link System#getenv} and child processes see. */
    static void setEnvironment(Map<String, String> environment) throws ReflectiveOperationException {
        Map<String, String> writable = writableEnvironment();
        writable.clear();
        writable.putAll(environment);
    }

    @SuppressWarnings("unchecked")
    private static Map<String, String> writableEnvironment() throws ReflectiveOperationException {
        Map<String, String> seen = System.getenv();
        Field inner = seen.getClass().getDeclaredField("m");
        inner.setAccessible(true);
        return (Map<String, String>) inner.get(seen);
    }
}
