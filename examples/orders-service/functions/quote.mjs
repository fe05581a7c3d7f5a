// What an order would cost: POST /quotes. Money is counted in cents: numbers with a point are for measuring, not for paying.

import { readFileSync } from "node:fs";

const products = JSON.parse(readFileSync(new URL("catalogue.json", import.meta.url)));
const FREE_SHIPPING_CENTS = 5000;
const SHIPPING_CENTS = 490;

export const handler = async (event) => {
  let lines;
  try {
    lines = JSON.parse(event.isBase64Encoded ? Buffer.from(event.body, "base64") : event.body).lines;
  } catch {
    return problem(400, "The body is no JSON");
  }
  if (!Array.isArray(lines) || lines.length === 0) return problem(422, "An order has lines");
  let cents = 0;
  for (const { sku, quantity } of lines) {
    const product = products.find((product) => product.sku === sku);
    if (!product) return problem(422, `There is no ${sku}`);
    if (!Number.isInteger(quantity) || quantity < 1) return problem(422, `${sku}: a quantity is 1 or more`);
    cents += quantity * toCents(product.price);
  }
  const shipping = cents >= FREE_SHIPPING_CENTS ? 0 : SHIPPING_CENTS;
  return { goods: toPrice(cents), shipping: toPrice(shipping), total: toPrice(cents + shipping) };
};

const toCents = (price) => Number(price.replace(".", ""));
const toPrice = (cents) => (cents / 100).toFixed(2);
const problem = (status, title) => ({
  statusCode: status,
  headers: { "content-type": "application/problem+json" },
  body: JSON.stringify({ title, status }),
});
