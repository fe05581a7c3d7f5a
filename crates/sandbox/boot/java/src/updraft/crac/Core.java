package updraft.crac;

/** The one context there is. */
public final class Core {
    private static final Context<Resource> GLOBAL = new Context<>();

    private Core() {}

    /** The context of the whole process. */
    public static Context<Resource> getGlobalContext() {
        return GLOBAL;
    }

    /** Only the platform makes snapshots. */
    public static void checkpointRestore() throws CheckpointException, RestoreException {
        throw new UnsupportedOperationException("snapshots are made by the platform, when a version is published");
    }
}
