package example.orders;

/** A rule that does not hold, and where. */
public final class Violation {
    private final String at;
    private final String rule;

    Violation(String at, String rule) {
        this.at = at;
        this.rule = rule;
    }

    public String getAt() {
        return at;
    }

    public String getRule() {
        return rule;
    }
}
