'use strict';
// console.* as AWS has it: one telemetry frame per call, "time, request id, level, message" or a JSON object.
//
// A telemetry frame is u32 big-endian type, u32 length, u64 microseconds since 1970, text. The type's low bits say text or
// JSON and the level. Without the descriptor lines go to stdout.

const fs = require('fs');
const util = require('util');
const { intoError, logTextOf } = require('./errors');
const { writeSync } = fs;

const TYPE = 0xa55a0002;
const TEXT = 1;
const LEVELS = {
  TRACE: { name: 'TRACE', priority: 1, bits: 4 },
  DEBUG: { name: 'DEBUG', priority: 2, bits: 8 },
  INFO: { name: 'INFO', priority: 3, bits: 12 },
  WARN: { name: 'WARN', priority: 4, bits: 16 },
  ERROR: { name: 'ERROR', priority: 5, bits: 20 },
  FATAL: { name: 'FATAL', priority: 6, bits: 24 },
};
const METHODS = { trace: 'TRACE', debug: 'DEBUG', info: 'INFO', warn: 'WARN', error: 'ERROR', fatal: 'FATAL' };

// Shared with other copies of AWS's client in the process, by the same symbols.
const REQUEST_ID = Symbol.for('aws.lambda.runtime.requestId');
const TENANT_ID = Symbol.for('aws.lambda.runtime.tenantId');

function setCurrent(requestId, tenantId) {
  globalThis[REQUEST_ID] = requestId;
  globalThis[TENANT_ID] = tenantId;
}

function frameWriter(fd, type) {
  return (level, date, line) => {
    const text = Buffer.from(line, 'utf8');
    const head = Buffer.allocUnsafe(16);
    head.writeUInt32BE((type | level.bits) >>> 0, 0);
    head.writeUInt32BE(text.length, 4);
    head.writeBigUInt64BE(BigInt(date.valueOf()) * 1000n, 8);
    const frame = Buffer.concat([head, text]);
    let written = 0;
    while (written < frame.length) written += writeSync(fd, frame, written);
  };
}

function stdoutWriter() {
  return (_level, _date, line) => process.stdout.write(line.replace(/\n$/, '').replace(/\n/g, '\r') + '\n');
}

function textLogger(write) {
  return (level, message, ...params) => {
    const date = new Date();
    const text = util.format(message, ...params);
    write(level, date, `${date.toISOString()}\t${globalThis[REQUEST_ID]}\t${level.name}\t${text}\n`);
  };
}

function jsonLogger(write) {
  return (level, ...params) => {
    const date = new Date();
    write(level, date, jsonLine(level, date, params));
  };
}

function jsonLine(level, date, params) {
  const line = { timestamp: date.toISOString(), level: level.name, requestId: globalThis[REQUEST_ID] };
  if (globalThis[TENANT_ID] != null) line.tenantId = globalThis[TENANT_ID];
  if (params.length === 1) {
    line.message = params[0];
    try {
      return JSON.stringify(line, (_key, value) => (value instanceof Error ? errorFields(value, true) : value));
    } catch {
      line.message = util.format(line.message);
      return JSON.stringify(line);
    }
  }
  line.message = util.format(...params);
  const error = params.find((param) => param instanceof Error);
  return JSON.stringify(error ? Object.assign(line, errorFields(error, false)) : line);
}

function errorFields(error, withOwn) {
  const fields = {
    errorType: error.constructor?.name ?? 'UnknownError',
    errorMessage: error.message,
    stackTrace: typeof error.stack === 'string' ? error.stack.split('\n') : withOwn ? error.stack : [],
  };
  return withOwn ? Object.assign(fields, error) : fields;
}

// Replaces the console's methods, by the function's environment. Returns how to log an error of the runtime's.
function patchConsole(fd) {
  const json = process.env.AWS_LAMBDA_LOG_FORMAT?.toUpperCase() === 'JSON';
  const write = fd === undefined ? stdoutWriter() : frameWriter(fd, json ? TYPE : TYPE | TEXT);
  const log = json ? jsonLogger(write) : textLogger(write);
  const least = LEVELS[process.env.AWS_LAMBDA_LOG_LEVEL?.toUpperCase()] ?? LEVELS.TRACE;
  for (const [method, name] of Object.entries(METHODS)) {
    const level = LEVELS[name];
    const shown = level.priority >= least.priority || method === 'fatal';
    console[method] = shown
      ? (message, ...params) => log(level, message, ...params)
      : () => {};
  }
  console.log = console.info;
  return json
    ? (_what, error) => console.error(intoError(error))
    : (what, error) => console.error(what, logTextOf(intoError(error)));
}

module.exports = { patchConsole, setCurrent };
