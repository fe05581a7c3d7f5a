package updraft.boot;

import updraft.crac.Core;

/**
 * What a function with SnapStart does between its init and its first event: the hooks it registered with {@code org.crac}
 * run, it says {@code S} and sleeps until it is told {@code R}; then it runs the other hooks. Its environment is one that was
 * initialised by itself, not a copy, so no random state is shared with another.
 */
final class Snapshot {
    private Snapshot() {}

    /** To be called before any class of the function is loaded. */
    static void offerHooks() {
        System.setProperty("org.crac.Core.Compat", "updraft.crac");
    }

    static boolean isWanted() {
        return "snap-start".equals(System.getenv("AWS_LAMBDA_INITIALIZATION_TYPE"));
    }

    /** Runs the hooks before the snapshot; nothing, or what failed. */
    static Fault before() {
        try {
            Core.getGlobalContext().beforeCheckpoint(null);
            return null;
        } catch (Throwable thrown) {
            return Fault.invoking(cause(thrown));
        }
    }

    /** Runs the hooks after a restore; nothing, or what failed. */
    static Fault after() {
        try {
            Core.getGlobalContext().afterRestore(null);
            return null;
        } catch (Throwable thrown) {
            return Fault.invoking(cause(thrown));
        }
    }

    /** A single hook's failure says more than that some failed. */
    private static Throwable cause(Throwable thrown) {
        Throwable[] suppressed = thrown.getSuppressed();
        return suppressed.length == 1 ? suppressed[0] : thrown;
    }
}
