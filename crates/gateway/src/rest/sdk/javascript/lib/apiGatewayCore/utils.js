// What the parts of the client share: parameters, addresses, and requests by fetch.
(function (scope) {
    'use strict';

    const core = ((scope.apiGateway = scope.apiGateway || {}).core = scope.apiGateway.core || {});

    // RFC 3986: only unreserved characters stand for themselves.
    function encode(text) {
        return encodeURIComponent(text).replace(/[!'()*]/g, (c) => '%' + c.charCodeAt(0).toString(16).toUpperCase());
    }

    function isBytes(body) {
        return body instanceof ArrayBuffer || ArrayBuffer.isView(body);
    }

    core.utils = {
        encode,

        // Throws where a parameter is missing; `ignored` names need not be there.
        assertParametersDefined(params, names, ignored) {
            for (const name of names) {
                const isThere = params !== undefined && params !== null && params[name] !== undefined;
                if (!isThere && !(ignored || []).includes(name)) {
                    throw new Error(name + ' must be defined');
                }
            }
        },

        // The parameters of these names that are there.
        parseParametersToObject(params, names) {
            const object = {};
            for (const name of names) {
                if (params !== undefined && params !== null && params[name] !== undefined) {
                    object[name] = params[name];
                }
            }
            return object;
        },

        // Both objects' members; those of the second come first.
        mergeInto(base, additional) {
            return Object.assign({}, base, additional);
        },

        // A header's value, whatever the case of its name; undefined if there is none.
        header(headers, wanted) {
            const name = Object.keys(headers).find((name) => name.toLowerCase() === wanted);
            return name && headers[name];
        },

        // A path with values at its names. At `{name+}` slashes stay what they are.
        expand(path, values) {
            return path.replace(/\{([^}+]+)(\+?)\}/g, (_, name, greedy) => {
                const text = String(values[name]);
                return greedy ? text.split('/').map(encode).join('/') : encode(text);
            });
        },

        // A query string, sorted as signatures have it; lists are parameters of several values.
        queryString(params) {
            const pairs = [];
            for (const name of Object.keys(params)) {
                for (const value of [].concat(params[name])) {
                    pairs.push([encode(name), encode(value)]);
                }
            }
            const before = (one, two) => one[0] < two[0] || (one[0] === two[0] && one[1] < two[1]);
            pairs.sort((one, two) => (before(one, two) ? -1 : 1));
            return pairs.map((pair) => pair.join('=')).join('&');
        },

        // A body as it is sent: texts and bytes as they are, all else as JSON. Undefined for none.
        bodyOf(body) {
            const isNone = body === undefined || body === null || body === '';
            if (isNone || (typeof body === 'object' && !isBytes(body) && Object.keys(body).length === 0)) {
                return undefined;
            }
            return typeof body === 'string' || isBytes(body) ? body : JSON.stringify(body);
        },

        // Sends a request. The promise is of `{data, status, statusText, headers, config}`, and rejected, with that as the error's
        // `response`, where the status is not one of success.
        async send(config) {
            const answer = await fetch(config.url, { method: config.method, headers: config.headers, body: config.data });
            const text = await answer.text();
            let data = text;
            try {
                data = JSON.parse(text);
            } catch (_) {
                // It is no JSON.
            }
            const { status, statusText } = answer;
            const response = { data, status, statusText, headers: Object.fromEntries(answer.headers), config };
            if (!answer.ok) {
                const error = new Error('Request failed with status code ' + status);
                throw Object.assign(error, { config, response });
            }
            return response;
        },
    };
})(globalThis);
