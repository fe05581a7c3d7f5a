// Finds the action for a method and a path, and reads the body. Knows nothing of orders.

import { Problem } from './problem.mjs';

export class Router {
    #routes = [];

    /** `action` gets {params, query, body} and returns [status, body, headers]. */
    on(method, template, action) {
        const names = [...template.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
        const pattern = new RegExp(`^${template.replace(/\{\w+\}/g, '([^/]+)')}/?$`);
        this.#routes.push({ method, pattern, names, action });
        return this;
    }

    route(event) {
        const http = event.requestContext?.http;
        if (!http) throw new Error('not an event of payload format 2.0: requestContext.http is missing');
        const path = event.rawPath ?? http.path;
        const matching = this.#routes.filter((route) => route.pattern.test(path));
        if (matching.length === 0) throw new Problem(404, 'Not Found', `there is nothing at ${path}`);
        const found = matching.find((route) => route.method === http.method);
        if (!found) {
            const allow = matching.map((route) => route.method).join(', ');
            throw new Problem(405, 'Method Not Allowed', `${path} takes ${allow}`, { headers: { allow } });
        }
        const values = found.pattern.exec(path).slice(1).map(decodeURIComponent);
        const params = Object.fromEntries(found.names.map((name, index) => [name, values[index]]));
        return found.action({ params, query: event.queryStringParameters ?? {}, body: bodyOf(event, http.method) });
    }
}

function bodyOf(event, method) {
    if (method !== 'POST' && method !== 'PUT') return undefined;
    const type = event.headers?.['content-type'] ?? '';
    if (!/^application\/(.+\+)?json\b/i.test(type)) {
        throw new Problem(415, 'Unsupported Media Type', `send application/json, not '${type}'`);
    }
    const text = event.isBase64Encoded ? Buffer.from(event.body ?? '', 'base64').toString() : event.body ?? '';
    try {
        return JSON.parse(text);
    } catch (error) {
        throw new Problem(400, 'Bad Request', `the body is not JSON: ${error.message}`);
    }
}
