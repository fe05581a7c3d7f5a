// Requests to an API, with a signature or an API key where there is one.
(function (scope) {
    'use strict';

    const core = ((scope.apiGateway = scope.apiGateway || {}).core = scope.apiGateway.core || {});

    core.apiGatewayClientFactory = {
        newClient(simpleHttpClientConfig, sigV4ClientConfig) {
            const simple = core.simpleHttpClientFactory.newClient(simpleHttpClientConfig);
            const signing = core.sigV4ClientFactory.newClient(sigV4ClientConfig);
            return {
                // `request`: verb, path, headers, queryParams, body. `additionalParams`: headers and queryParams that the API does not name.
                async makeRequest(request, authType, additionalParams, apiKey) {
                    const { bodyOf, mergeInto } = core.utils;
                    const { headers, queryParams } = additionalParams || {};
                    const hasBody = request.verb !== 'GET' && request.verb !== 'HEAD';
                    const client = authType === 'AWS_IAM' ? signing : simple;
                    return client.makeRequest({
                        verb: request.verb,
                        path: request.path,
                        headers: mergeInto(mergeInto(request.headers, apiKey ? { 'x-api-key': apiKey } : {}), headers),
                        queryParams: mergeInto(request.queryParams, queryParams),
                        body: hasBody ? bodyOf(request.body) : undefined,
                    });
                },
            };
        },
    };
})(globalThis);
