package updraft.crac;

/** Wants to be told of snapshots. */
public interface Resource {
    /** Before the snapshot. */
    void beforeCheckpoint(Context<? extends Resource> context) throws Exception;

    /** In an environment that was restored from it. */
    void afterRestore(Context<? extends Resource> context) throws Exception;
}
