'use strict';
// Runs a dummy function through the real path and forgets it: compiled code stays, everything a function could see goes.

const path = require('path');
const fs = require('fs');
const Module = require('module');
const { Life } = require('./life');
const context = require('./context');
const logs = require('./logs');

const ROUNDS = 20;
const DIRECTORY = path.join(__dirname, '..', 'warmup');

async function run() {
  const before = remember();
  const sink = fs.openSync('/dev/null', 'w');
  try {
    await callDummy(sink);
  } finally {
    fs.closeSync(sink);
    restore(before);
  }
}

async function callDummy(sink) {
  const life = new Life(sink);
  life.listen = () => {};
  const answers = [];
  life.channel = { send: (kind, body) => answers.push([kind, body]), hold() {}, release() {} };
  const env = { PATH: '/usr/bin:/bin' };
  for (let i = 0; i < 30; i++) env[`WARM_${i}`] = 'x'.repeat(40);
  for (const handler of ['index.handler', 'module.handler']) {
    life.handler = null;
    life.start({ handler, env: { ...env }, task_root: DIRECTORY });
    while (life.handler === null) await new Promise(setImmediate);
    for (let round = 0; round < ROUNDS; round++) {
      life.event(event());
      await new Promise(setImmediate);
    }
  }
}

function event() {
  const header = Buffer.from(JSON.stringify({ request_id: '0'.repeat(36), deadline_ms: 0, trace_id: 'Root=1' }));
  const payload = {};
  for (let i = 0; i < 20; i++) payload[`key${i}`] = ['value', i, 1.5, null, { a: 'é' }];
  const length = Buffer.alloc(4);
  length.writeUInt32LE(header.length);
  return Buffer.concat([length, header, Buffer.from(JSON.stringify(payload))]);
}

function remember() {
  return { env: { ...process.env }, console: { ...console }, cwd: process.cwd(), cached: new Set(Object.keys(require.cache)) };
}

function restore(before) {
  for (const name of Object.keys(process.env)) if (!(name in before.env)) delete process.env[name];
  Object.assign(process.env, before.env);
  Object.assign(console, before.console);
  delete console.fatal;
  delete globalThis.awslambda;
  process.chdir(before.cwd);
  for (const name of Object.keys(require.cache)) if (!before.cached.has(name)) delete require.cache[name];
  // What was looked up before the function's code was there.
  for (const key of Object.keys(Module._pathCache)) delete Module._pathCache[key];
  context.setTraceId(undefined);
  logs.setCurrent(undefined, undefined);
}

module.exports = { run };
