package example.orders;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.Map;
import java.util.TreeMap;

/**
 * The amounts of an order, exact to the cent.
 *
 * <p>Taxes are computed for each rate on the sum of its lines, not line by line: rounding then happens once for a rate, as
 * invoices do it.
 */
public final class Totals {
    private static final BigDecimal HUNDRED = BigDecimal.valueOf(100);

    private final BigDecimal net;
    private final Map<String, BigDecimal> taxes;
    private final BigDecimal gross;

    private Totals(BigDecimal net, Map<String, BigDecimal> taxes) {
        this.net = net;
        this.taxes = taxes;
        this.gross = taxes.values().stream().reduce(net, BigDecimal::add);
    }

    /** Null if a line lacks a number to compute with. */
    static Totals of(Order order) {
        Map<BigDecimal, BigDecimal> netByRate = new TreeMap<>();
        for (Order.Line line : order.getLines()) {
            if (line == null || line.getQuantity() == null || line.getUnitPrice() == null || line.getTaxPercent() == null) {
                return null;
            }
            BigDecimal amount = line.getUnitPrice().multiply(BigDecimal.valueOf(line.getQuantity()));
            netByRate.merge(line.getTaxPercent(), amount, BigDecimal::add);
        }
        BigDecimal discount = order.getDiscountPercent() == null ? BigDecimal.ZERO : order.getDiscountPercent();
        BigDecimal kept = HUNDRED.subtract(discount).divide(HUNDRED);
        BigDecimal net = BigDecimal.ZERO.setScale(2);
        Map<String, BigDecimal> taxes = new TreeMap<>();
        for (Map.Entry<BigDecimal, BigDecimal> rate : netByRate.entrySet()) {
            BigDecimal base = cents(rate.getValue().multiply(kept));
            net = net.add(base);
            taxes.put(rate.getKey().toPlainString(), cents(base.multiply(rate.getKey()).divide(HUNDRED)));
        }
        return new Totals(net, taxes);
    }

    private static BigDecimal cents(BigDecimal amount) {
        return amount.setScale(2, RoundingMode.HALF_UP);
    }

    public BigDecimal getNet() {
        return net;
    }

    /** Tax by rate, in per cent. */
    public Map<String, BigDecimal> getTaxes() {
        return taxes;
    }

    public BigDecimal getGross() {
        return gross;
    }
}
