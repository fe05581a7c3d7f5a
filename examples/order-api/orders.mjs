// The orders and the stock. Money is counted in cents; texts with two decimals go in and out.

import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { Problem } from './problem.mjs';

const catalogue = JSON.parse(readFileSync(new URL('./catalogue.json', import.meta.url), 'utf8'));
const LINES_MAX = 20;
const QUANTITY_MAX = 99;

export class Orders {
    #file;
    #ordersMax;
    #orders = new Map();
    #stock = new Map(catalogue.map(({ sku, stock }) => [sku, stock]));

    constructor({ directory, ordersMax }) {
        this.#file = join(directory, 'orders.json');
        this.#ordersMax = ordersMax;
        if (!existsSync(this.#file)) return;
        for (const order of JSON.parse(readFileSync(this.#file, 'utf8'))) {
            this.#orders.set(order.id, order);
            for (const { sku, quantity } of order.items) this.#take(sku, quantity);
        }
    }

    products() {
        return catalogue.map((product) => ({ ...product, stock: this.#stock.get(product.sku) }));
    }

    list() {
        return [...this.#orders.values()].reverse();
    }

    get(id) {
        const order = this.#orders.get(id);
        if (!order) throw new Problem(404, 'Not Found', `there is no order ${id}`);
        return order;
    }

    place(request) {
        refuseUnlessValid(request);
        if (this.#orders.size >= this.#ordersMax) throw new Problem(503, 'Service Unavailable', 'the order book is full');
        const short = request.items.filter(({ sku, quantity }) => this.#stock.get(sku) < quantity);
        if (short.length > 0) {
            const detail = short.map(({ sku, quantity }) => `${sku}: ${quantity} wanted, ${this.#stock.get(sku)} left`);
            throw new Problem(409, 'Conflict', detail.join('; '));
        }
        const items = request.items.map(({ sku, quantity }) => {
            const { title, price } = catalogue.find((product) => product.sku === sku);
            return { sku, title, quantity, price, total: text(cents(price) * quantity) };
        });
        const total = text(items.reduce((sum, item) => sum + cents(item.total), 0));
        const order = { id: randomUUID(), customer: request.customer, placed: new Date().toISOString(), items, total };
        for (const { sku, quantity } of items) this.#take(sku, quantity);
        this.#orders.set(order.id, order);
        this.#save();
        return order;
    }

    cancel(id) {
        for (const { sku, quantity } of this.get(id).items) this.#take(sku, -quantity);
        this.#orders.delete(id);
        this.#save();
    }

    #take(sku, quantity) {
        this.#stock.set(sku, this.#stock.get(sku) - quantity);
    }

    #save() {
        writeFileSync(`${this.#file}.new`, JSON.stringify([...this.#orders.values()]));
        renameSync(`${this.#file}.new`, this.#file);
    }
}

function refuseUnlessValid(request) {
    const errors = [...mistakes(request)];
    if (errors.length > 0) throw new Problem(422, 'Unprocessable Content', 'the order is not valid', { errors });
}

function* mistakes(request) {
    if (request === null || typeof request !== 'object' || Array.isArray(request)) {
        yield { at: '', must: 'be an object' };
        return;
    }
    const { customer, items } = request;
    if (typeof customer !== 'string' || customer.trim() === '') yield { at: 'customer', must: 'be a name' };
    if (!Array.isArray(items) || items.length < 1 || items.length > LINES_MAX) {
        yield { at: 'items', must: `be a list of 1 to ${LINES_MAX}` };
        return;
    }
    const seen = new Set();
    for (const [index, item] of items.entries()) {
        const { sku, quantity } = item ?? {};
        if (!catalogue.some((product) => product.sku === sku)) yield { at: `items[${index}].sku`, must: 'be in the catalogue' };
        else if (seen.has(sku)) yield { at: `items[${index}].sku`, must: 'be named once' };
        seen.add(sku);
        if (!Number.isInteger(quantity) || quantity < 1 || quantity > QUANTITY_MAX) {
            yield { at: `items[${index}].quantity`, must: `be a whole number from 1 to ${QUANTITY_MAX}` };
        }
    }
}

const cents = (price) => Math.round(Number(price) * 100);
const text = (amount) => (amount / 100).toFixed(2);
