'use strict';
// Handlers of `awslambda.streamifyResponse`. Their output is collected and answered whole, as a buffered invoke of such a
// function is on AWS.

const { Writable } = require('stream');
const { MalformedStreamingHandler } = require('./errors');

const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');
const PRELUDE_TYPE = 'application/vnd.awslambda.http-integration-response';
const PRELUDE_END = new Uint8Array(8);

const HttpResponseStream = {
  // Puts status and headers before the body's first byte.
  from(stream, prelude) {
    stream.setContentType(PRELUDE_TYPE);
    stream._onBeforeFirstWrite = (write) => {
      write(JSON.stringify(prelude));
      write(PRELUDE_END);
    };
    return stream;
  },
};

// The global `awslambda`, which streaming functions use to mark their handler.
function installGlobal() {
  if (['1', 'true'].includes(process.env.AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA)) return;
  globalThis.awslambda = {
    streamifyResponse(handler) {
      handler[STREAMING] = 'response';
      return handler;
    },
    HttpResponseStream,
  };
}

function isStreaming(handler) {
  const mark = handler[STREAMING];
  if (mark === undefined || mark === null || mark === false) return false;
  if (mark === 'response') return true;
  throw new MalformedStreamingHandler('Only response streaming is supported.');
}

class ResponseStream extends Writable {
  chunks = [];
  contentType = 'application/octet-stream';

  setContentType(type) {
    this.contentType = type;
  }

  write(chunk, ...rest) {
    const plain = typeof chunk === 'string' || chunk instanceof Uint8Array;
    if (this._onBeforeFirstWrite) {
      const before = this._onBeforeFirstWrite;
      this._onBeforeFirstWrite = null;
      before((first) => super.write(first));
    }
    return super.write(plain ? chunk : JSON.stringify(chunk), ...rest);
  }

  _write(chunk, _encoding, done) {
    this.chunks.push(chunk);
    done();
  }
}

// Runs the handler; its whole output. Throws what it throws.
async function collect(handler, event, context) {
  const stream = new ResponseStream();
  const returned = handler(event, stream, context);
  if (typeof returned?.then !== 'function') throw 'Streaming does not support non-async handlers.';
  if ((await returned) !== undefined) console.warn('Streaming handlers ignore return values.');
  if (stream.writableEnded && !stream.writableFinished) await new Promise((done) => stream.once('finish', done));
  if (!stream.writableFinished) throw 'Response stream is not finished.';
  return Buffer.concat(stream.chunks);
}

module.exports = { installGlobal, isStreaming, collect };
