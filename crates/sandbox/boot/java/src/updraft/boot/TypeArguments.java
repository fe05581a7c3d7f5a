package updraft.boot;

import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.Map;

/** Finds with which types a class implements a generic interface, through superclasses and other interfaces. */
final class TypeArguments {
    private TypeArguments() {}

    /** A type seen on the way up, with what its variables stand for. */
    private static final class Step {
        final Class<?> type;
        final Map<TypeVariable<?>, Type> bound;

        Step(Class<?> type, Map<TypeVariable<?>, Type> bound) {
            this.type = type;
            this.bound = bound;
        }
    }

    /** The type arguments, or null if the class implements the interface only in its raw form. */
    static Type[] of(Class<?> type, Class<?> wanted) {
        ArrayDeque<Step> steps = new ArrayDeque<>();
        steps.add(new Step(type, new HashMap<>()));
        while (!steps.isEmpty()) {
            Step step = steps.remove();
            for (Type parent : step.type.getGenericInterfaces()) {
                if (parent instanceof ParameterizedType && ((ParameterizedType) parent).getRawType() == wanted) {
                    return resolved(((ParameterizedType) parent).getActualTypeArguments(), step);
                }
                steps.add(above(parent, step));
            }
            Type parent = step.type.getGenericSuperclass();
            if (parent != null) {
                steps.add(above(parent, step));
            }
        }
        return null;
    }

    private static Step above(Type parent, Step step) {
        if (!(parent instanceof ParameterizedType)) {
            return new Step((Class<?>) parent, new HashMap<>());
        }
        ParameterizedType generic = (ParameterizedType) parent;
        Class<?> raw = (Class<?>) generic.getRawType();
        Type[] arguments = resolved(generic.getActualTypeArguments(), step);
        Map<TypeVariable<?>, Type> bound = new HashMap<>();
        for (int i = 0; i < arguments.length; i++) {
            bound.put(raw.getTypeParameters()[i], arguments[i]);
        }
        return new Step(raw, bound);
    }

    private static Type[] resolved(Type[] arguments, Step step) {
        Type[] types = arguments.clone();
        for (int i = 0; i < types.length; i++) {
            types[i] = step.bound.getOrDefault(types[i], types[i]);
        }
        return types;
    }
}
