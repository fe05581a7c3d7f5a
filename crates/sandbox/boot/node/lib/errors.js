'use strict';
// Errors as AWS shapes them for Node.js: {errorType, errorMessage, trace}.

const util = require('util');

// The runtime's own errors; AWS's type names begin with "Runtime.".
const names = [
  'ImportModuleError',
  'HandlerNotFound',
  'MalformedHandlerName',
  'UserCodeSyntaxError',
  'MalformedStreamingHandler',
  'InvalidStreamingOperation',
];
for (const name of names) {
  const type = { [name]: class extends Error {} }[name];
  type.prototype.name = `Runtime.${name}`;
  module.exports[name] = type;
}

class UnhandledPromiseRejection extends Error {
  constructor(reason, promise) {
    super(reason);
    this.reason = reason;
    this.promise = promise;
  }
}
UnhandledPromiseRejection.prototype.name = 'Runtime.UnhandledPromiseRejection';

function looksLikeError(value) {
  return (
    value &&
    typeof value.name === 'string' && value.name &&
    typeof value.message === 'string' && value.message &&
    typeof value.stack === 'string' && value.stack
  );
}

// The document for whatever was thrown.
function documentOf(error) {
  try {
    if (!util.types.isNativeError(error) && !looksLikeError(error)) {
      return { errorType: typeof error, errorMessage: error.toString(), trace: [] };
    }
    return {
      errorType: escaped(error.name),
      errorMessage: escaped(error.message),
      trace: escaped(error.stack).split('\n'),
    };
  } catch {
    return {
      errorType: 'handled',
      errorMessage:
        'callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack',
    };
  }
}

// DEL may not stand in an HTTP header, where AWS's client repeats the document.
function escaped(text) {
  return text?.replace(/\x7F/g, '%7F');
}

// The text after "Invoke Error" in the log: the error with all that it carries.
function logTextOf(error) {
  try {
    return `\t${JSON.stringify(error, (_key, value) => (value instanceof Error ? withProperties(value) : value))}`;
  } catch {
    return `\t${JSON.stringify(documentOf(error))}`;
  }
}

function withProperties(error) {
  const shown = { errorType: error.name, errorMessage: error.message, code: error.code, ...error };
  if (typeof error.stack === 'string') shown.stack = error.stack.split('\n');
  return shown;
}

function intoError(value) {
  return value instanceof Error ? value : new Error(value);
}

Object.assign(module.exports, { UnhandledPromiseRejection, documentOf, logTextOf, intoError });
