// Requests signed with AWS Signature Version 4. SHA-256 is done here, since browsers have it in secure contexts alone.
(function (scope) {
    'use strict';

    const core = ((scope.apiGateway = scope.apiGateway || {}).core = scope.apiGateway.core || {});
    const BLOCK_BYTES = 64;

    // FIPS 180-4: the first bits of the roots of the first primes.
    const ROUNDS = [
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
        0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
    ];
    const START = [
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
    ];

    function bytesOf(data) {
        if (typeof data === 'string') {
            return new TextEncoder().encode(data);
        }
        return ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data);
    }

    // The message, padded to whole blocks: a one, zeros, its length in bits.
    function padded(message) {
        const blocks = Math.ceil((message.length + 9) / BLOCK_BYTES);
        const bytes = new Uint8Array(blocks * BLOCK_BYTES);
        bytes.set(message);
        bytes[message.length] = 0x80;
        const view = new DataView(bytes.buffer);
        view.setUint32(bytes.length - 8, Math.floor(message.length / 0x20000000));
        view.setUint32(bytes.length - 4, (message.length << 3) >>> 0);
        return view;
    }

    function sha256(data) {
        const view = padded(bytesOf(data));
        const right = (word, bits) => (word >>> bits) | (word << (32 - bits));
        const state = Int32Array.from(START, (word) => word | 0);
        const words = new Int32Array(BLOCK_BYTES);
        for (let block = 0; block < view.byteLength; block += BLOCK_BYTES) {
            for (let i = 0; i < 64; i++) {
                if (i < 16) {
                    words[i] = view.getInt32(block + 4 * i);
                    continue;
                }
                const [a, b] = [words[i - 15], words[i - 2]];
                const s0 = right(a, 7) ^ right(a, 18) ^ (a >>> 3);
                const s1 = right(b, 17) ^ right(b, 19) ^ (b >>> 10);
                words[i] = words[i - 16] + s0 + words[i - 7] + s1;
            }
            let [a, b, c, d, e, f, g, h] = state;
            for (let i = 0; i < 64; i++) {
                const s1 = right(e, 6) ^ right(e, 11) ^ right(e, 25);
                const one = (h + s1 + ((e & f) ^ (~e & g)) + ROUNDS[i] + words[i]) | 0;
                const s0 = right(a, 2) ^ right(a, 13) ^ right(a, 22);
                const two = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
                [h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
            }
            [a, b, c, d, e, f, g, h].forEach((word, i) => (state[i] += word));
        }
        const digest = new DataView(new ArrayBuffer(32));
        state.forEach((word, i) => digest.setInt32(4 * i, word));
        return new Uint8Array(digest.buffer);
    }

    function joined(one, two) {
        const both = new Uint8Array(one.length + two.length);
        both.set(one);
        both.set(two, one.length);
        return both;
    }

    // RFC 2104.
    function hmac(key, message) {
        let block = bytesOf(key);
        block = joined(block.length > BLOCK_BYTES ? sha256(block) : block, new Uint8Array(BLOCK_BYTES)).slice(0, BLOCK_BYTES);
        const inner = sha256(joined(block.map((byte) => byte ^ 0x36), bytesOf(message)));
        return sha256(joined(block.map((byte) => byte ^ 0x5c), inner));
    }

    function hex(bytes) {
        return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
    }

    // The headers of a request with a signature of all of them.
    function signed(config, request) {
        const { host, pathname, search } = new URL(request.url);
        const time = new Date().toISOString().replace(/[:-]|\.\d{3}/g, '');
        const headers = Object.assign({}, request.headers, { 'x-amz-date': time });
        if (config.sessionToken) {
            headers['x-amz-security-token'] = config.sessionToken;
        }
        const lower = Object.keys(headers).map((name) => [name.toLowerCase(), String(headers[name]).trim().replace(/ +/g, ' ')]);
        lower.push(['host', host]);
        lower.sort((one, two) => (one[0] < two[0] ? -1 : 1));
        const names = lower.map(([name]) => name).join(';');
        const canonical = [
            request.method,
            pathname.split('/').map(core.utils.encode).join('/'),
            search.slice(1),
            ...lower.map(([name, value]) => name + ':' + value),
            '',
            names,
            hex(sha256(request.data === undefined ? '' : request.data)),
        ].join('\n');
        const scope = [time.slice(0, 8), config.region, config.serviceName, 'aws4_request'];
        const toSign = ['AWS4-HMAC-SHA256', time, scope.join('/'), hex(sha256(canonical))].join('\n');
        const key = scope.reduce((key, part) => hmac(key, part), 'AWS4' + config.secretKey);
        const parts = [
            'Credential=' + [config.accessKey, ...scope].join('/'),
            'SignedHeaders=' + names,
            'Signature=' + hex(hmac(key, toSign)),
        ];
        return Object.assign(headers, { Authorization: 'AWS4-HMAC-SHA256 ' + parts.join(', ') });
    }

    core.sigV4ClientFactory = {
        // `config`: accessKey, secretKey, sessionToken, region, serviceName, and what requests without a signature need.
        newClient(config) {
            return core.simpleHttpClientFactory.newClient(config, (request) => signed(config, request));
        },
    };
})(globalThis);
