package example.orders;

import java.util.List;

/** The answer: whether the order may go on, what is wrong with it, and its totals. */
public final class Verdict {
    private final String number;
    private final List<Violation> violations;
    private final Totals totals;

    Verdict(String number, List<Violation> violations, Totals totals) {
        this.number = number;
        this.violations = violations;
        this.totals = totals;
    }

    public String getNumber() {
        return number;
    }

    public boolean isValid() {
        return violations.isEmpty();
    }

    public List<Violation> getViolations() {
        return violations;
    }

    /** Null if they cannot be computed. */
    public Totals getTotals() {
        return totals;
    }
}
