'use strict';
// Handlers of `awslambda.streamifyResponse`: what they write goes out as it is written, and comes back as `write() ===
// false` when the caller does not keep up.
//
// On the channel a streamed answer is `H` (its media type), any number of `C` (its bytes), then `D` (whole) or `A` (an
// error document), and `R` once the next event may come. A handler that fails before its first byte answers `F` alone.

const { Writable } = require('stream');
const { MalformedStreamingHandler, InvalidStreamingOperation } = require('./errors');

const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');
const HIGH_WATER_MARK = Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark');
const PRELUDE_TYPE = 'application/vnd.awslambda.http-integration-response';
const PRELUDE_END = new Uint8Array(8);
const DEFAULT_TYPE = 'application/octet-stream';
// What the server takes in one frame.
const CHUNK_BYTES_MAX = 64 * 1024;

const HttpResponseStream = {
  // Puts status and headers before the body's first byte. As with AWS's client, a body given to `end` alone gets none.
  from(stream, prelude) {
    stream.setContentType(PRELUDE_TYPE);
    const text = JSON.stringify(prelude);
    stream._onBeforeFirstWrite = (write) => {
      write(text);
      write(PRELUDE_END);
    };
    return stream;
  },
};

// The global `awslambda`, which streaming functions use to mark their handler.
function installGlobal() {
  if (['1', 'true'].includes(process.env.AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA)) return;
  globalThis.awslambda = {
    streamifyResponse(handler, options) {
      handler[STREAMING] = 'response';
      if (typeof options?.highWaterMark === 'number') handler[HIGH_WATER_MARK] = parseInt(options.highWaterMark, 10);
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
  #channel;
  #contentType = DEFAULT_TYPE;
  #written = false; // the handler has called write
  #failure = null; // the error document that the answer ends with

  constructor(channel, highWaterMark) {
    super(highWaterMark > 0 ? { highWaterMark } : {});
    this.#channel = channel;
    this.hasBegun = false; // the server knows that this answer is streamed
    this.on('error', () => {}); // the handler may destroy it without listening
  }

  setContentType(type) {
    if (this.#written) throw new InvalidStreamingOperation('Cannot set content-type, too late.');
    this.#contentType = type;
  }

  write(chunk, ...rest) {
    const plain = typeof chunk === 'string' || chunk instanceof Uint8Array;
    if (!this.#written && typeof this._onBeforeFirstWrite === 'function') this._onBeforeFirstWrite((first) => super.write(first));
    const took = super.write(plain ? chunk : JSON.stringify(chunk), ...rest);
    this.#written = true;
    return took;
  }

  // Ends the answer with this document instead of well. Whether it could: an answer that is whole stays so.
  fail(document) {
    if (this.writableEnded) return false;
    this.#failure = document;
    if (this.destroyed) this._final(() => {}); // by `pipeline`, whose source failed
    else this.end();
    return !this.destroyed;
  }

  _write(chunk, _encoding, done) {
    this.#begin();
    const next = (at) => {
      if (at >= chunk.length) return done();
      const end = Math.min(at + CHUNK_BYTES_MAX, chunk.length);
      this.#channel.send('C', chunk.subarray(at, end), () => next(end));
    };
    next(0);
  }

  _final(done) {
    this.#begin();
    if (this.#failure === null) this.#channel.send('D', '', done);
    else this.#channel.send('A', this.#failure, done);
  }

  #begin() {
    if (this.hasBegun) return;
    this.hasBegun = true;
    this.#channel.send('H', this.#contentType);
  }
}

// A stream for one event.
function streamFor(handler, channel) {
  return new ResponseStream(channel, parseInt(handler[HIGH_WATER_MARK], 10));
}

// Runs the handler until it and its stream are done. Throws what it throws.
async function run(handler, event, stream, context) {
  const returned = handler(event, stream, context);
  if (typeof returned?.then !== 'function') throw 'Streaming does not support non-async handlers.';
  if ((await returned) !== undefined) console.warn('Streaming handlers ignore return values.');
  if (stream.writableEnded) await finished(stream);
  if (!stream.writableFinished) throw 'Response stream is not finished.';
}

function finished(stream) {
  if (stream.writableFinished || stream.destroyed) return undefined;
  return new Promise((done) => stream.once('finish', done).once('close', done));
}

module.exports = { installGlobal, isStreaming, streamFor, run, finished };
