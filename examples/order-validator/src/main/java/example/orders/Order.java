package example.orders;

import java.math.BigDecimal;
import java.util.List;

/** An order document, as it comes. Nothing in it is trusted: see {@link Rules}. */
public final class Order {
    private String number;
    private String date;
    private String currency;
    private Customer customer;
    private List<Line> lines;
    private BigDecimal discountPercent;
    private BigDecimal total;

    public String getNumber() {
        return number;
    }

    public void setNumber(String number) {
        this.number = number;
    }

    /** The day of the order, as in 2026-11-22. */
    public String getDate() {
        return date;
    }

    public void setDate(String date) {
        this.date = date;
    }

    public String getCurrency() {
        return currency;
    }

    public void setCurrency(String currency) {
        this.currency = currency;
    }

    public Customer getCustomer() {
        return customer;
    }

    public void setCustomer(Customer customer) {
        this.customer = customer;
    }

    public List<Line> getLines() {
        return lines;
    }

    public void setLines(List<Line> lines) {
        this.lines = lines;
    }

    public BigDecimal getDiscountPercent() {
        return discountPercent;
    }

    public void setDiscountPercent(BigDecimal discountPercent) {
        this.discountPercent = discountPercent;
    }

    /** What the customer was told to pay, taxes included. */
    public BigDecimal getTotal() {
        return total;
    }

    public void setTotal(BigDecimal total) {
        this.total = total;
    }

    /** Who orders. */
    public static final class Customer {
        private String name;
        private String email;
        private String country;

        public String getName() {
            return name;
        }

        public void setName(String name) {
            this.name = name;
        }

        public String getEmail() {
            return email;
        }

        public void setEmail(String email) {
            this.email = email;
        }

        /** Two letters, as in DE. */
        public String getCountry() {
            return country;
        }

        public void setCountry(String country) {
            this.country = country;
        }
    }

    /** One article. */
    public static final class Line {
        private String sku;
        private Integer quantity;
        private BigDecimal unitPrice;
        private BigDecimal taxPercent;

        public String getSku() {
            return sku;
        }

        public void setSku(String sku) {
            this.sku = sku;
        }

        public Integer getQuantity() {
            return quantity;
        }

        public void setQuantity(Integer quantity) {
            this.quantity = quantity;
        }

        public BigDecimal getUnitPrice() {
            return unitPrice;
        }

        public void setUnitPrice(BigDecimal unitPrice) {
            this.unitPrice = unitPrice;
        }

        public BigDecimal getTaxPercent() {
            return taxPercent;
        }

        public void setTaxPercent(BigDecimal taxPercent) {
            this.taxPercent = taxPercent;
        }
    }
}
