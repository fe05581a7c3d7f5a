package updraft.boot;

import com.amazonaws.services.lambda.runtime.Context;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Type;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/**
 * Handlers that are plain methods: {@code [InputStream] [OutputStream] [Context]} in this order, or
 * {@code [any type] [Context]}, static or not, of any return type.
 */
final class Methods {
    private Methods() {}

    /** AWS's preference: real methods before bridges, then longer signatures, where a last Context counts twice. */
    private static final Comparator<Method> PREFERENCE =
            Comparator.comparing(Method::isBridge).thenComparing(Methods::weight, Comparator.reverseOrder());

    private static int weight(Method method) {
        Class<?>[] types = method.getParameterTypes();
        return types.length > 0 && types[types.length - 1] == Context.class ? types.length + 1 : types.length;
    }

    static Handler find(Class<?> type, String name, ClassLoader loader) {
        Method[] methods;
        try {
            methods = type.getMethods();
        } catch (NoClassDefFoundError e) {
            throw Fault.methodFailed(e, "Error loading method " + name + " on class " + type.getName());
        }
        Method[] candidates = Arrays.stream(methods).filter(m -> m.getName().equals(name)).toArray(Method[]::new);
        Arrays.sort(candidates, PREFERENCE);
        for (Method method : candidates) {
            Handler handler = handler(type, method, loader);
            if (handler != null) {
                return handler;
            }
        }
        throw Fault.of("No public method named " + name + " with appropriate method signature found on class "
                + type.getName());
    }

    /** The method as a handler; null if its parameters are none that AWS knows. */
    private static Handler handler(Class<?> type, Method method, ClassLoader loader) {
        List<Class<?>> rest = new ArrayList<>(Arrays.asList(method.getParameterTypes()));
        boolean takesContext = !rest.isEmpty() && rest.get(rest.size() - 1) == Context.class;
        if (takesContext) {
            rest.remove(rest.size() - 1);
        }
        boolean takesInput = !rest.isEmpty() && rest.get(0) == InputStream.class;
        boolean takesOutput = !rest.isEmpty() && rest.get(rest.size() - 1) == OutputStream.class;
        if ((takesInput || takesOutput) && rest.size() == (takesInput ? 1 : 0) + (takesOutput ? 1 : 0)) {
            return streams(method, instance(type, method), takesInput, takesOutput, takesContext);
        }
        if (rest.size() > 1 || (rest.size() == 1 && rest.get(0) == Context.class)) {
            System.err.println("Ignoring an overload of method " + method.getName() + " with parameters "
                    + Arrays.toString(method.getParameterTypes()));
            return null;
        }
        return values(method, instance(type, method), rest.size() == 1, takesContext, loader);
    }

    private static Object instance(Class<?> type, Method method) {
        return Modifier.isStatic(method.getModifiers()) ? null : HandlerLoader.newInstance(type);
    }

    private static Handler streams(
            Method method, Object instance, boolean takesInput, boolean takesOutput, boolean takesContext) {
        return (event, answer, context) -> {
            List<Object> arguments = new ArrayList<>(3);
            if (takesInput) {
                arguments.add(event);
            }
            if (takesOutput) {
                arguments.add(answer);
            }
            if (takesContext) {
                arguments.add(context);
            }
            invoke(method, instance, arguments.toArray());
            if (!takesOutput) {
                Conversion.writeNull(answer);
            }
        };
    }

    private static Handler values(
            Method method, Object instance, boolean takesValue, boolean takesContext, ClassLoader loader) {
        Type taken = takesValue ? method.getGenericParameterTypes()[0] : null;
        Conversion conversion = new Conversion(taken, method.getGenericReturnType(), loader);
        return (event, answer, context) -> {
            Object value = conversion.read(event);
            Object[] arguments = takesValue
                    ? takesContext ? new Object[] {value, context} : new Object[] {value}
                    : takesContext ? new Object[] {context} : new Object[0];
            conversion.write(invoke(method, instance, arguments), answer);
        };
    }

    private static Object invoke(Method method, Object instance, Object[] arguments) throws Throwable {
        try {
            return method.invoke(instance, arguments);
        } catch (InvocationTargetException e) {
            throw e.getCause() == null ? e : e.getCause();
        }
    }
}
