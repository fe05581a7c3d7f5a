// A JSON API for orders behind API Gateway's HTTP API (payload format 2.0) or a function URL.
//
//   GET  /products            the catalogue
//   POST /orders              {"customer": "...", "items": [{"sku": "...", "quantity": 1}]}  → 201 and the priced order
//   GET  /orders              all orders, newest first
//   GET  /orders/{id}         one order
//   DELETE /orders/{id}       cancels it and puts the items back
//
// Every refusal is a problem document (RFC 9457). Orders live as long as the sandbox, in /tmp.

import { Problem } from './problem.mjs';
import { Router } from './router.mjs';
import { Orders } from './orders.mjs';

const orders = new Orders({ directory: '/tmp', ordersMax: Number(process.env.ORDERS_MAX ?? 1000) });

const router = new Router()
    .on('GET', '/products', () => [200, { products: orders.products() }])
    .on('POST', '/orders', ({ body }) => {
        const order = orders.place(body);
        return [201, order, { location: `/orders/${order.id}` }];
    })
    .on('GET', '/orders', () => [200, { orders: orders.list() }])
    .on('GET', '/orders/{id}', ({ params }) => [200, orders.get(params.id)])
    .on('DELETE', '/orders/{id}', ({ params }) => {
        orders.cancel(params.id);
        return [204];
    });

export const handler = async (event, context) => {
    const started = performance.now();
    const answer = answerTo(event);
    const { method, path } = event.requestContext?.http ?? {};
    const ms = (performance.now() - started).toFixed(2);
    console.log(JSON.stringify({ requestId: context.awsRequestId, method, path, status: answer.statusCode, ms }));
    return answer;
};

function answerTo(event) {
    try {
        const [status, body, headers] = router.route(event);
        return json(status, body, headers);
    } catch (error) {
        // A defect of ours is the function's error, and Lambda reports it as such; only refusals are answers.
        if (!(error instanceof Problem)) throw error;
        return json(error.status, error, { 'content-type': 'application/problem+json', ...error.headers });
    }
}

function json(statusCode, body, headers = {}) {
    if (body === undefined) return { statusCode, headers };
    return { statusCode, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) };
}
