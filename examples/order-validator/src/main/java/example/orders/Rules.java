package example.orders;

import java.math.BigDecimal;
import java.time.LocalDate;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.Currency;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Pattern;

/** What an order must be. Every rule looks for itself, so that one pass names every mistake. */
final class Rules {
    private static final Pattern NUMBER = Pattern.compile("[A-Z]{2}-\\d{4}-\\d{5}");
    private static final Pattern SKU = Pattern.compile("[A-Z]{4}-\\d{4}");
    private static final Pattern EMAIL = Pattern.compile("[^@\\s]+@[^@\\s]+\\.[^@\\s.]{2,}");
    private static final Set<String> COUNTRIES = Set.of(Locale.getISOCountries());
    private static final int LINES_MAX = 200;
    private static final int QUANTITY_MAX = 10_000;
    private static final BigDecimal HUNDRED = BigDecimal.valueOf(100);

    List<Violation> check(Order order) {
        List<Violation> found = new ArrayList<>();
        require(found, matches(NUMBER, order.getNumber()), "number", "must look like WS-2026-00042");
        require(found, isDay(order.getDate()), "date", "must be a day such as 2026-11-22");
        require(found, isCurrency(order.getCurrency()), "currency", "must be an ISO 4217 code");
        require(found, isPercent(order.getDiscountPercent()), "discountPercent", "must be from 0 to 100");
        customer(found, order.getCustomer());
        lines(found, order.getLines());
        return found;
    }

    /** The stated total must be the computed one, to the cent. */
    List<Violation> checkTotal(Order order, Totals totals) {
        List<Violation> found = new ArrayList<>();
        boolean same = order.getTotal() != null && order.getTotal().compareTo(totals.getGross()) == 0;
        require(found, same, "total", "must be " + totals.getGross() + ", is " + order.getTotal());
        return found;
    }

    private static void customer(List<Violation> found, Order.Customer customer) {
        if (customer == null) {
            found.add(new Violation("customer", "must be given"));
            return;
        }
        require(found, customer.getName() != null && !customer.getName().isBlank(), "customer.name", "must be given");
        require(found, matches(EMAIL, customer.getEmail()), "customer.email", "must be an e-mail address");
        require(found, customer.getCountry() != null && COUNTRIES.contains(customer.getCountry()), "customer.country",
                "must be an ISO 3166 code");
    }

    private static void lines(List<Violation> found, List<Order.Line> lines) {
        require(found, !lines.isEmpty() && lines.size() <= LINES_MAX, "lines", "must be 1 to " + LINES_MAX);
        Set<String> seen = new HashSet<>();
        for (int index = 0; index < lines.size(); index++) {
            Order.Line line = lines.get(index);
            String at = "lines[" + index + "]";
            if (line == null) {
                found.add(new Violation(at, "must be given"));
                continue;
            }
            require(found, matches(SKU, line.getSku()), at + ".sku", "must look like TOOL-0410");
            require(found, line.getSku() == null || seen.add(line.getSku()), at + ".sku", "must be named once");
            require(found, line.getQuantity() != null && line.getQuantity() >= 1 && line.getQuantity() <= QUANTITY_MAX,
                    at + ".quantity", "must be from 1 to " + QUANTITY_MAX);
            require(found, isPrice(line.getUnitPrice()), at + ".unitPrice", "must be above 0 with at most 2 decimals");
            require(found, line.getTaxPercent() != null && isPercent(line.getTaxPercent()), at + ".taxPercent",
                    "must be from 0 to 100");
        }
    }

    private static void require(List<Violation> found, boolean holds, String at, String rule) {
        if (!holds) {
            found.add(new Violation(at, rule));
        }
    }

    private static boolean matches(Pattern pattern, String text) {
        return text != null && pattern.matcher(text).matches();
    }

    private static boolean isDay(String text) {
        try {
            return text != null && LocalDate.parse(text) != null;
        } catch (DateTimeParseException notOne) {
            return false;
        }
    }

    private static boolean isCurrency(String code) {
        try {
            return code != null && Currency.getInstance(code) != null;
        } catch (IllegalArgumentException unknown) {
            return false;
        }
    }

    private static boolean isPercent(BigDecimal percent) {
        return percent == null || percent.signum() >= 0 && percent.compareTo(HUNDRED) <= 0;
    }

    private static boolean isPrice(BigDecimal price) {
        return price != null && price.signum() > 0 && price.stripTrailingZeros().scale() <= 2;
    }
}
