package updraft.boot;

import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.RequestStreamHandler;
import java.io.File;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Modifier;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** From a handler's name to a {@link Handler}. All failures are {@link Fault}s with AWS's words. */
final class HandlerLoader {
    private HandlerLoader() {}

    /** The function's classes: the task's own, the jars in its lib, those of layers; in this order, jars by name. */
    static URLClassLoader classLoader(String taskRoot, String layerJars) throws MalformedURLException {
        List<URL> urls = new ArrayList<>();
        urls.add(new File(taskRoot).toURI().toURL());
        addJars(new File(taskRoot, "lib"), urls);
        addJars(new File(layerJars), urls);
        return new URLClassLoader(urls.toArray(new URL[0]), ClassLoader.getSystemClassLoader());
    }

    private static void addJars(File directory, List<URL> urls) throws MalformedURLException {
        String[] names = directory.list((dir, name) -> name.length() > 4 && name.endsWith(".jar"));
        if (names == null) {
            return;
        }
        Arrays.sort(names);
        for (String name : names) {
            urls.add(new URL("file", null, -1, directory.getPath() + "/" + name));
        }
    }

    /**
     * Loads the handler. A failed static initialiser or constructor is thrown (it fails the init); what else is wrong
     * becomes a handler that fails each event, as on AWS.
     */
    static Handler load(String name, ClassLoader loader) {
        int colons = name.lastIndexOf("::");
        String className = colons < 0 ? name : name.substring(0, colons);
        String methodName = colons < 0 ? null : name.substring(colons + 2);
        try {
            return find(name, className, methodName, loader);
        } catch (Fault fault) {
            if (fault.isFatal) {
                throw fault;
            }
            return (event, answer, context) -> {
                throw fault;
            };
        }
    }

    private static Handler find(String name, String className, String methodName, ClassLoader loader) {
        if (className.isEmpty() || (methodName != null && methodName.isEmpty())) {
            throw Fault.of("Invalid handler: `" + name + "'");
        }
        Class<?> type = loadClass(className, loader);
        if (methodName != null) {
            return guarded(() -> Methods.find(type, methodName, loader));
        }
        if (RequestStreamHandler.class.isAssignableFrom(type)) {
            return guarded(() -> ((RequestStreamHandler) newInstance(type))::handleRequest);
        }
        if (RequestHandler.class.isAssignableFrom(type)) {
            return guarded(() -> typedHandler(type, loader));
        }
        throw Fault.of("Class does not implement an appropriate handler interface: " + className);
    }

    private static Class<?> loadClass(String name, ClassLoader loader) {
        try {
            return Class.forName(name, true, loader);
        } catch (ClassNotFoundException e) {
            throw Fault.classNotFound(e, name);
        } catch (NoClassDefFoundError e) {
            throw Fault.classFailed(e, name, true);
        } catch (Throwable t) {
            throw Fault.classFailed(t, name, true);
        }
    }

    private interface Search {
        Handler run() throws Throwable;
    }

    private static Handler guarded(Search search) {
        try {
            return search.run();
        } catch (Fault fault) {
            throw fault;
        } catch (Throwable t) {
            throw Fault.loading(t, false);
        }
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    private static Handler typedHandler(Class<?> type, ClassLoader loader) {
        Type[] types = TypeArguments.of(type, RequestHandler.class);
        if (types == null) {
            throw Fault.of("Class " + type.getName() + " does not implement RequestHandler with concrete type parameters");
        }
        for (Type argument : types) {
            if (argument instanceof TypeVariable && !hasUpperBound((TypeVariable<?>) argument)) {
                throw Fault.of("Class " + type.getName()
                        + " does not implement RequestHandler with concrete type parameters: parameter " + argument
                        + " has no upper bound.");
            }
        }
        RequestHandler handler = (RequestHandler) newInstance(type);
        Conversion conversion = new Conversion(types[0], types[1], loader);
        return (event, answer, context) ->
                conversion.write(handler.handleRequest(conversion.read(event), context), answer);
    }

    private static boolean hasUpperBound(TypeVariable<?> variable) {
        return Arrays.stream(variable.getBounds()).anyMatch(bound -> bound != Object.class);
    }

    /** An instance by the public constructor without arguments. What the constructor throws is fatal. */
    static Object newInstance(Class<?> type) {
        try {
            return constructor(type).newInstance();
        } catch (InvocationTargetException e) {
            throw Fault.loading(e.getCause() == null ? e : e.getCause(), true);
        } catch (Exception e) {
            throw Fault.loading(e, false);
        }
    }

    private static Constructor<?> constructor(Class<?> type) throws Exception {
        try {
            return type.getConstructor();
        } catch (NoSuchMethodException e) {
            if (type.getEnclosingClass() != null && !Modifier.isStatic(type.getModifiers())) {
                throw new Exception(
                        "Class " + type.getName() + " cannot be instantiated because it is a non-static inner class");
            }
            throw new Exception("Class " + type.getName() + " has no public zero-argument constructor", e);
        }
    }
}
