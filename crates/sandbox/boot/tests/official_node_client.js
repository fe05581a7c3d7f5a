'use strict';
// Stands in for the native part of AWS's Node.js client (compiled C++ there), so that the rest of it can run in a test:
// `node -r official_node_client.js <aws-lambda-ric>/bin/index.mjs app.handler`.

const http = require('http');
const { spawnSync } = require('child_process');
const Module = require('module');

const base = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation`;

function post(path, body) {
  spawnSync('curl', ['-s', '-X', 'POST', '--data-binary', '@-', base + path], { input: body });
}

const client = {
  initializeClient() {},
  done: (id, body) => post(`/${id}/response`, body),
  error: (id, body) => post(`/${id}/error`, body),
  next: () =>
    new Promise((resolve, reject) => {
      http
        .get(`${base}/next`, (response) => {
          const chunks = [];
          response.on('data', (chunk) => chunks.push(chunk));
          response.on('end', () => resolve({ bodyJson: Buffer.concat(chunks).toString(), headers: response.headers }));
        })
        .on('error', reject);
    }),
};

const resolve = Module._resolveFilename;
Module._resolveFilename = function (request, ...rest) {
  return request.endsWith('rapid-client.node') ? __filename : resolve.call(this, request, ...rest);
};
module.exports = client;
