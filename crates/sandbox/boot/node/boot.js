'use strict';
// Starts one Node.js sandbox: `node boot.js [--exec]`.
//
// Expects descriptor 3 to be the frames channel and, by _LAMBDA_TELEMETRY_LOG_FD, the log pipe (4). Warms itself with a
// dummy function, says `P`, and waits for its function. With --exec (the function is known and waits for us) nothing is
// warmed. Where things live:
//
//   lib/channel.js   frames on descriptor 3
//   lib/life.js      settings in, function loaded, events answered
//   lib/loader.js    "dir/file.name" to a function, or AWS's error
//   lib/context.js   the handler's second and third arguments, and when an invocation is over
//   lib/streaming.js handlers of `awslambda.streamifyResponse`
//   lib/debugger.js  the inspector, if a debugger is to attach
//   lib/errors.js    error documents
//   lib/logs.js      console.* as AWS has it
//   lib/warmup.js    the dummy, and forgetting it
//
// Built-in functions that user code may replace (console, process.env, fs) are taken hold of before it is loaded.

const { Channel } = require('./lib/channel');
const { Life } = require('./lib/life');

async function main() {
  const telemetryFd = process.env._LAMBDA_TELEMETRY_LOG_FD;
  delete process.env._LAMBDA_TELEMETRY_LOG_FD;
  const fd = telemetryFd === undefined ? undefined : parseInt(telemetryFd, 10);
  if (!process.argv.includes('--exec')) await require('./lib/warmup').run();
  process.argv.length = 2;
  process.argv[1] = '/var/runtime/index.mjs';
  const life = new Life(fd);
  life.begin(new Channel(3, (kind, body) => life.onFrame(kind, body)));
}

main();
