package updraft.warmup;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** The warm-up's dummy with types of its own: what small functions typically do. */
public class Typed implements RequestHandler<Typed.Order, Map<String, Object>> {
    private static final Pattern ID = Pattern.compile("[a-z]+");

    /** The event. */
    public static class Order {
        public String name;
        public int count;
        public List<Item> items;
    }

    /** A part of it, with accessors. */
    public static class Item {
        private String id;
        private double price;

        public String getId() {
            return id;
        }

        public void setId(String id) {
            this.id = id;
        }

        public double getPrice() {
            return price;
        }

        public void setPrice(double price) {
            this.price = price;
        }
    }

    @Override
    public Map<String, Object> handleRequest(Order order, Context context) {
        Map<String, Object> answer = new TreeMap<>();
        answer.put("total", order.items.stream().mapToDouble(Item::getPrice).sum() * order.count);
        answer.put("ids", order.items.stream().map(Item::getId).filter(id -> ID.matcher(id).matches()).collect(Collectors.toList()));
        answer.put("text", String.format("%s %d", order.name, context.getRemainingTimeInMillis()));
        context.getLogger().log("warm " + answer);
        return answer;
    }
}
