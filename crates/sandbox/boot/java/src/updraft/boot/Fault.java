package updraft.boot;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.Set;

/**
 * A failure as AWS tells it. Made from what user code threw (with a stack trace in the document), or by the loader (without).
 * A fatal one ends the process.
 */
final class Fault extends RuntimeException {
    private static final long serialVersionUID = 1;
    private static final String OWN_PACKAGE = Fault.class.getPackage().getName() + ".";

    final String type;
    final String trace;
    final boolean isFatal;
    private final String[] stack;

    private Fault(String message, String type, String trace, boolean isFatal, String[] stack) {
        super(message, null, false, false);
        this.type = type;
        this.trace = trace;
        this.isFatal = isFatal;
        this.stack = stack;
    }

    /** The loader's own complaint. */
    static Fault of(String message) {
        return new Fault(message, null, null, false, null);
    }

    static Fault classNotFound(Throwable cause, String name) {
        return new Fault("Class not found: " + name, cause.getClass().getName(), trace(cause), false, null);
    }

    static Fault classFailed(Throwable cause, String name, boolean isFatal) {
        String why = cause.getMessage() == null ? "" : ": " + cause.getMessage();
        return new Fault("Error loading class " + name + why, cause.getClass().getName(), trace(cause), isFatal, null);
    }

    static Fault methodFailed(Throwable cause, String what) {
        return new Fault(what, cause.getClass().getName(), trace(cause), false, null);
    }

    /** What a constructor (then fatal) or the loader ran into. */
    static Fault loading(Throwable thrown, boolean isFatal) {
        return new Fault(messageOf(thrown), thrown.getClass().getName(), trace(thrown), isFatal, null);
    }

    /** What a handler threw. The process ends if the virtual machine itself is in trouble. */
    static Fault invoking(Throwable thrown) {
        if (thrown instanceof Fault) {
            return (Fault) thrown;
        }
        String trace = trace(thrown);
        StackTraceElement[] elements = thrown.getStackTrace();
        String[] stack = new String[elements.length];
        for (int i = 0; i < stack.length; i++) {
            stack[i] = elements[i].toString();
        }
        boolean isFatal = thrown instanceof VirtualMachineError || thrown instanceof java.io.IOError;
        return new Fault(messageOf(thrown), thrown.getClass().getName(), trace, isFatal, stack);
    }

    byte[] document() {
        Messages.Failure failure = new Messages.Failure();
        failure.errorMessage = getMessage();
        failure.errorType = type;
        failure.stackTrace = stack;
        return Messages.write(failure);
    }

    String logText() {
        if (type == null && trace == null) {
            return getMessage() + "\n";
        }
        return getMessage() + ": " + (type == null ? "" : type) + "\n" + (trace == null ? "" : trace) + "\n";
    }

    private static String messageOf(Throwable thrown) {
        String message = thrown.getLocalizedMessage();
        return message == null ? thrown.getClass().getName() : message;
    }

    private static String trace(Throwable thrown) {
        withoutOurs(thrown);
        StringWriter text = new StringWriter();
        thrown.printStackTrace(new PrintWriter(text));
        return text.toString();
    }

    /** Cuts our own frames, and what called us, off a throwable and all that hangs on it. */
    static <T extends Throwable> T withoutOurs(T thrown) {
        cut(thrown, Collections.newSetFromMap(new IdentityHashMap<>()));
        return thrown;
    }

    private static void cut(Throwable thrown, Set<Throwable> seen) {
        if (thrown == null || !seen.add(thrown)) {
            return;
        }
        StackTraceElement[] elements = thrown.getStackTrace();
        for (int i = 0; i < elements.length; i++) {
            if (elements[i].getClassName().startsWith(OWN_PACKAGE)) {
                thrown.setStackTrace(java.util.Arrays.copyOf(elements, i));
                break;
            }
        }
        cut(thrown.getCause(), seen);
        for (Throwable suppressed : thrown.getSuppressed()) {
            cut(suppressed, seen);
        }
    }
}
