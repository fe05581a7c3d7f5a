package updraft.crac;

/** Hooks failed; each failure is a suppressed exception. */
public class CheckpointException extends Exception {
    private static final long serialVersionUID = 1;
}
