package example.orders;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.util.List;

/**
 * Checks an order document against the house's rules and computes its totals.
 *
 * <p>An order with mistakes is a normal answer that names them all; only a document that is no order fails the function.
 */
public final class OrderValidator implements RequestHandler<Order, Verdict> {
    private final Rules rules = new Rules();

    @Override
    public Verdict handleRequest(Order order, Context context) {
        if (order == null || order.getLines() == null) {
            throw new IllegalArgumentException("not an order document: it has no lines");
        }
        List<Violation> violations = rules.check(order);
        Totals totals = Totals.of(order);
        if (totals != null) {
            violations.addAll(rules.checkTotal(order, totals));
        }
        context.getLogger().log(String.format("order %s: %d lines, %d violations, total %s%n",
                order.getNumber(), order.getLines().size(), violations.size(),
                totals == null ? "not computable" : totals.getGross() + " " + order.getCurrency()));
        return new Verdict(order.getNumber(), violations, totals);
    }
}
