'use strict';
// A function's life: settings, loading, events, and the errors nobody caught.

const Module = require('module');
const context = require('./context');
const errors = require('./errors');
const loader = require('./loader');
const logs = require('./logs');
const streaming = require('./streaming');

const INIT = 'I'.charCodeAt(0);
const EVENT = 'E'.charCodeAt(0);

// Exit statuses of AWS's client.
const REJECTED = 128;
const UNCAUGHT = 129;
// Node's own, for a module that waits for something that never comes.
const NEVER_LOADED = 13;

const { exit } = process;

// One event on its way to an answer.
class Invocation {
  constructor(life) {
    this.life = life;
    this.answered = false;
    this.stream = null; // of a streaming handler
  }

  succeed(result) {
    if (this.answered) {
      console.error(
        'Invocation has already been reported as done. Cannot call complete more than once per invocation.',
      );
      return;
    }
    this.life.answer(this, 'O', textOf(result));
  }

  fail(error) {
    this.life.logError('Invoke Error', error);
    this.life.answer(this, 'F', JSON.stringify(errors.documentOf(error)));
  }

  // What to do when the function has nothing left to do.
  whenIdle(action) {
    if (this.life.current === this) this.life.idleAction = action;
  }
}

function textOf(result) {
  try {
    return JSON.stringify(result === undefined ? null : result) ?? 'null';
  } catch {
    throw new Error('Unable to stringify response body');
  }
}

class Life {
  constructor(telemetryFd) {
    this.telemetryFd = telemetryFd;
    this.handler = null;
    this.streams = false;
    this.current = null;
    this.idleAction = null;
    this.early = []; // events that came while the function loads
  }

  begin(channel) {
    this.channel = channel;
    channel.send('P', '');
  }

  onFrame(kind, body) {
    if (kind === INIT) this.start(JSON.parse(body));
    else if (kind !== EVENT) exit(1);
    else if (this.handler === null) this.early.push(Buffer.from(body));
    else this.event(body);
  }

  start(settings) {
    this.channel.release();
    applySettings(settings);
    this.logError = logs.patchConsole(this.telemetryFd);
    streaming.installGlobal();
    this.listen();
    if (settings.debug) require('./debugger').open(settings.debug);
    this.load(settings).then(
      // A turn later, so that a rejection nobody handled while loading counts as a failed init, as on AWS.
      (handler) => setImmediate(() => this.ready(handler)),
      (error) => this.onUncaught('Uncaught Exception', error, UNCAUGHT),
    );
  }

  async load(settings) {
    const handler = await loader.load(settings.task_root || '/var/task', settings.handler);
    this.streams = streaming.isStreaming(handler);
    context.readEnvironment();
    return handler;
  }

  ready(handler) {
    this.handler = handler;
    this.channel.send('K', '');
    this.channel.hold();
    if (this.early.length > 0) this.event(this.early.shift());
  }

  listen() {
    process.on('uncaughtException', (error) => this.onUncaught('Uncaught Exception', error, UNCAUGHT));
    process.on('unhandledRejection', (reason, promise) => {
      const error = new errors.UnhandledPromiseRejection(reason, promise);
      this.onUncaught('Unhandled Promise Rejection', error, REJECTED);
    });
    process.on('beforeExit', () => {
      const action = this.idleAction;
      this.idleAction = null;
      if (action !== null) action();
    });
    process.on('exit', () => {
      if (this.handler === null && process.exitCode === undefined) process.exitCode = NEVER_LOADED;
    });
  }

  // Runs the handler once. Returning does not mean that it has answered.
  event(body) {
    const payloadAt = 4 + body.readUInt32LE(0);
    const header = JSON.parse(body.utf8Slice(4, payloadAt));
    const invocation = new Invocation(this);
    this.current = invocation;
    this.channel.release();
    logs.setCurrent(header.request_id, header.tenant_id);
    this.idleAction = () => this.answer(invocation, 'O', 'null');
    if (this.streams) return this.stream(invocation, header, body.utf8Slice(payloadAt, body.length));
    let callback = (error) => invocation.fail(error);
    try {
      const built = context.build(header, invocation);
      callback = built.callback;
      const event = JSON.parse(body.utf8Slice(payloadAt, body.length));
      const result = this.handler(event, built.context, callback);
      if (result && typeof result.then === 'function') {
        result.then(built.context.succeed, built.context.fail).catch(built.context.fail);
      }
    } catch (error) {
      callback(error);
    }
  }

  // Runs a streaming handler once. The next event comes when the handler and its stream are done and, unless it says
  // otherwise, the function has nothing left to do.
  stream(invocation, header, text) {
    const stream = streaming.streamFor(this.handler, this.channel);
    invocation.stream = stream;
    const ready = () => this.streamed(invocation);
    this.idleAction = ready;
    const built = context.buildStreaming(header);
    const run = async () => streaming.run(this.handler, JSON.parse(text), stream, built.context);
    run()
      .catch((error) => this.failStream(invocation, error))
      .then(() => {
        if (!built.waits()) ready();
        else if (this.current === invocation) this.idleAction = () => setImmediate(ready);
      });
  }

  // The handler's error: alone if it has not written anything, else the end of what it has.
  failStream(invocation, error) {
    this.logError('Invoke Error', error);
    const document = JSON.stringify(errors.documentOf(error));
    const { stream } = invocation;
    if (!stream.hasBegun && stream.writableLength === 0) return this.answer(invocation, 'F', document);
    return stream.fail(document) && streaming.finished(stream);
  }

  // A streaming handler is done. One that waits for something that never comes has perhaps not answered at all.
  streamed(invocation) {
    this.answer(invocation, ...(invocation.stream.hasBegun ? ['R', ''] : ['O', 'null']));
  }

  // The one answer to an event; later ones are dropped. The next event is taken a turn of the loop later.
  answer(invocation, kind, body) {
    if (invocation.answered) return;
    invocation.answered = true;
    if (this.current !== invocation) return;
    this.current = null;
    this.idleAction = null;
    this.channel.hold();
    this.channel.send(kind, body);
    if (this.early.length > 0) setImmediate(() => this.event(this.early.shift()));
  }

  // Reports what nobody caught, and ends.
  onUncaught(what, error, status) {
    this.logError(what, error);
    const document = JSON.stringify(errors.documentOf(error));
    if (this.handler === null) this.channel.send('X', document, () => exit(status));
    else if (this.current !== null && !this.current.stream?.hasBegun) this.channel.send('F', document, () => exit(status));
    else exit(status);
  }
}

// Makes the process the function's.
function applySettings(settings) {
  // Without it the process was started with its environment, and a wrapper may have changed that since.
  const env = settings.env ?? { ...process.env };
  delete env._LAMBDA_TELEMETRY_LOG_FD;
  const major = process.versions.node.split('.')[0];
  env.NODE_PATH ??=
    `/opt/nodejs/node${major}/node_modules:/opt/nodejs/node_modules:` +
    '/var/runtime/node_modules:/var/runtime:/var/task';
  for (const name of Object.keys(process.env)) if (!(name in env)) delete process.env[name];
  for (const name in env) process.env[name] = env[name];
  Module._initPaths(); // reads NODE_PATH
  try {
    process.chdir(settings.task_root || '/var/task');
  } catch {
    // no code: loading says so better
  }
}

module.exports = { Life, applySettings };
