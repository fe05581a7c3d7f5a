'use strict';
// The handler's second and third arguments, and the rules for when an invocation is over.
//
// A callback with `callbackWaitsForEmptyEventLoop` (the default) answers when the function has nothing left to do; done,
// succeed, fail, a settled promise and errors answer at once. Only the first answer counts.

const TRACE_ID = '_X_AMZN_TRACE_ID';

let fixed = {};

// Takes what is the same for all invocations from the environment.
function readEnvironment() {
  fixed = {
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
  };
}

let traceId;
function setTraceId(id) {
  if (id === traceId) return;
  traceId = id;
  if (id) process.env[TRACE_ID] = id;
  else delete process.env[TRACE_ID];
}

// `invocation` answers: succeed(result), fail(error), whenIdle(action or null).
function build(header, invocation) {
  setTraceId(header.trace_id);
  let waits = true;
  const done = (error, result) => {
    invocation.whenIdle(null);
    if (error !== undefined && error !== null) invocation.fail(error);
    else invocation.succeed(result);
  };
  const callback = (error, result) => {
    if ((error !== undefined && error !== null) || !waits) return done(error, result);
    invocation.whenIdle(() => setImmediate(() => invocation.succeed(result)));
  };
  const once = onlyFirst();
  const context = {
    get callbackWaitsForEmptyEventLoop() {
      return waits;
    },
    set callbackWaitsForEmptyEventLoop(value) {
      waits = value;
    },
    succeed: once((result) => done(null, result)),
    fail: once((error) => done(error ?? 'handled')),
    done: once(done),
    ...dataOf(header),
  };
  return { context, callback: once(callback) };
}

// For a streaming handler, which has its stream instead of callbacks. `waits()` says whether the next event waits until the
// function has nothing left to do.
function buildStreaming(header) {
  setTraceId(header.trace_id);
  let waits = true;
  const context = {
    get callbackWaitsForEmptyEventLoop() {
      return waits;
    },
    set callbackWaitsForEmptyEventLoop(value) {
      waits = value;
    },
    ...dataOf(header),
  };
  return { context, waits: () => waits };
}

function dataOf(header) {
  const deadline = header.deadline_ms;
  return {
    functionVersion: fixed.functionVersion,
    functionName: fixed.functionName,
    memoryLimitInMB: fixed.memoryLimitInMB,
    logGroupName: fixed.logGroupName,
    logStreamName: fixed.logStreamName,
    clientContext: parsed(header.client_context, 'ClientContext'),
    identity: parsed(header.cognito_identity, 'CognitoIdentity'),
    invokedFunctionArn: header.invoked_function_arn,
    awsRequestId: header.request_id,
    tenantId: header.tenant_id,
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
}

// Lets one of the wrapped functions through, once. One that throws does not count.
function onlyFirst() {
  let finished = false;
  return (wrapped) =>
    (...args) => {
      if (finished) return;
      wrapped(...args);
      finished = true;
    };
}

function parsed(text, name) {
  if (text === undefined || text === null) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`Cannot parse ${name} as json: ${error.toString()}`);
  }
}

module.exports = { build, buildStreaming, readEnvironment, setTraceId };
