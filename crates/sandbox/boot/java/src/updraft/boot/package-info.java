/**
 * What Updraft runs inside a Java sandbox, in place of AWS's runtime client. JSON conversion is AWS's published library
 * (aws-lambda-java-serialization), the interfaces are AWS's (aws-lambda-java-core); nothing else beside the JDK.
 *
 * <ul>
 * <li>{@link updraft.boot.Boot}: the way in, and a function's life: settings, loading, events.
 * <li>{@link updraft.boot.Channel}: frames on descriptor 3. {@link updraft.boot.Messages}: what they hold.
 * <li>{@link updraft.boot.HandlerLoader}: "package.Class::method" to a {@link updraft.boot.Handler}, or AWS's error.
 * <li>{@link updraft.boot.Methods}: which overload is the handler. {@link updraft.boot.TypeArguments}: its types.
 * <li>{@link updraft.boot.Conversion}: JSON to and from them.
 * <li>{@link updraft.boot.Fault}: errors and their shapes. {@link updraft.boot.Log}: where log records go.
 * <li>{@link updraft.boot.Process}: what Java has no way to say: environment, descriptors by number.
 * <li>{@link updraft.boot.Warmup}: the dummy function, and forgetting it.
 * </ul>
 */
package updraft.boot;
