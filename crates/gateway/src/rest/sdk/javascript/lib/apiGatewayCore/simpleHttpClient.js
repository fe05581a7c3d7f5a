// Requests, signed if somebody signs.
(function (scope) {
    'use strict';

    const core = ((scope.apiGateway = scope.apiGateway || {}).core = scope.apiGateway.core || {});

    core.simpleHttpClientFactory = {
        // `config`: endpoint, defaultContentType, defaultAcceptType. `sign` gives the headers of a request in the place of its own.
        newClient(config, sign) {
            return {
                async makeRequest(request) {
                    const { header, queryString, send } = core.utils;
                    const { verb: method, body: data } = request;
                    const headers = Object.assign({}, request.headers);
                    if (data !== undefined && header(headers, 'content-type') === undefined) {
                        headers['Content-Type'] = config.defaultContentType;
                    }
                    if (header(headers, 'accept') === undefined) {
                        headers['Accept'] = config.defaultAcceptType;
                    }
                    const query = queryString(request.queryParams);
                    const url = config.endpoint + request.path + (query && '?' + query);
                    const unsigned = { method, url, headers, data };
                    return send(sign ? Object.assign(unsigned, { headers: sign(unsigned) }) : unsigned);
                },
            };
        },
    };
})(globalThis);
