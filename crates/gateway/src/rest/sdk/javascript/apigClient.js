// The client of an API: a function for each of its methods. README.md says how to use it.
var apigClientFactory = (function () {
    'use strict';

    if (typeof module === 'object' && module.exports) {
        for (const part of ['utils', 'sigV4Client', 'apiGatewayClient', 'simpleHttpClient']) {
            require('./lib/apiGatewayCore/' + part + '.js');
        }
    }

    const DEFAULTS = {
        invokeUrl: /*INVOKE_URL*/,
        region: /*REGION*/,
        accessKey: '',
        secretKey: '',
        sessionToken: '',
        apiKey: '',
        defaultContentType: 'application/json',
        defaultAcceptType: 'application/json',
    };

    function newClient(given) {
        const { core } = globalThis.apiGateway;
        const config = Object.assign({}, DEFAULTS);
        for (const name of Object.keys(given || {})) {
            if (given[name] !== undefined && given[name] !== '') {
                config[name] = given[name];
            }
        }
        const { origin, pathname } = new URL(config.invokeUrl);
        config.endpoint = origin;
        config.serviceName = 'execute-api';
        const above = pathname.replace(/\/$/, '');
        const authType = config.accessKey && config.secretKey ? 'AWS_IAM' : 'NONE';
        const client = core.apiGatewayClientFactory.newClient(config, config);

        async function send(method, params, body, additionalParams) {
            const { assertParametersDefined, expand, parseParametersToObject } = core.utils;
            assertParametersDefined(params, method.required);
            const request = {
                verb: method.verb,
                path: above + expand(method.path, parseParametersToObject(params, method.pathParams)),
                headers: parseParametersToObject(params, method.headers),
                queryParams: parseParametersToObject(params, method.queryParams),
                body,
            };
            return client.makeRequest(request, authType, additionalParams, config.apiKey);
        }

        const apigClient = {};
/*METHODS*/
        return apigClient;
    }

    return { newClient };
})();

if (typeof module === 'object' && module.exports) {
    module.exports = apigClientFactory;
}
