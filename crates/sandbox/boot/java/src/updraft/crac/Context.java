package updraft.crac;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** Resources in the order of their registration. They are told of a snapshot in reverse order, of a restore in order. */
public class Context<R extends Resource> implements Resource {
    private final List<R> resources = new ArrayList<>();

    Context() {}

    /** Adds a resource. */
    public synchronized void register(R resource) {
        resources.add(resource);
    }

    @Override
    public void beforeCheckpoint(Context<? extends Resource> context) throws CheckpointException {
        List<R> reversed = resources();
        Collections.reverse(reversed);
        CheckpointException failed = null;
        for (R resource : reversed) {
            try {
                resource.beforeCheckpoint(this);
            } catch (Exception e) {
                failed = failed == null ? new CheckpointException() : failed;
                failed.addSuppressed(e);
            }
        }
        if (failed != null) {
            throw failed;
        }
    }

    @Override
    public void afterRestore(Context<? extends Resource> context) throws RestoreException {
        RestoreException failed = null;
        for (R resource : resources()) {
            try {
                resource.afterRestore(this);
            } catch (Exception e) {
                failed = failed == null ? new RestoreException() : failed;
                failed.addSuppressed(e);
            }
        }
        if (failed != null) {
            throw failed;
        }
    }

    private synchronized List<R> resources() {
        return new ArrayList<>(resources); // a hook may register more
    }
}
