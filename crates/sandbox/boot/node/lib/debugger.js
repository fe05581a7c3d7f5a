'use strict';
// Node.js's inspector in a function's process, for one debugger of its developer's.

// Listens where the server leads debuggers to.
function open({ port, wait }) {
  const inspector = require('inspector');
  inspector.open(port, '127.0.0.1', wait);
}

module.exports = { open };
