// InvokeWithResponseStream through AWS's SDK for JavaScript v3, as a Node.js developer reads it.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  CreateFunctionCommand,
  DeleteFunctionCommand,
  InvokeWithResponseStreamCommand,
  LambdaClient,
  TagResourceCommand,
  waitUntilFunctionActiveV2,
} from '@aws-sdk/client-lambda';
import { zipOf } from './zip.js';

const lambda = new LambdaClient({ maxAttempts: 1 });
const FunctionName = 'streams-to-javascript';
const Resource = `arn:aws:lambda:us-east-1:000000000000:function:${FunctionName}`;

before(async () => {
  const source = `import { LambdaClient, ListTagsCommand } from '@aws-sdk/client-lambda';
    export const handler = awslambda.streamifyResponse(async (event, stream, context) => {
      stream.write('first');
      if (event.fail) throw new TypeError(event.fail);
      const tags = () => new LambdaClient().send(new ListTagsCommand({ Resource: context.invokedFunctionArn }));
      while (!(await tags()).Tags.go) await new Promise((f) => setTimeout(f, 20));
      stream.end('last');
    });`;
  const creation = {
    FunctionName,
    Runtime: process.env.TEST_NODE_RUNTIME,
    Handler: 'index.handler',
    Role: 'arn:aws:iam::000000000000:role/worker',
    MemorySize: 512,
    Timeout: 20,
    Code: { ZipFile: zipOf({ 'index.mjs': source }) },
  };
  await lambda.send(new CreateFunctionCommand(creation));
  await waitUntilFunctionActiveV2({ client: lambda, minDelay: 0.05, maxDelay: 1, maxWaitTime: 60 }, { FunctionName });
});

after(() => lambda.send(new DeleteFunctionCommand({ FunctionName })));

const invoke = (event, more = {}) =>
  lambda.send(new InvokeWithResponseStreamCommand({ FunctionName, Payload: JSON.stringify(event), ...more }));
const textOf = (event) => Buffer.from(event.PayloadChunk.Payload).toString();

test('the first chunk comes before the handler ends', async () => {
  const answer = await invoke({}, { LogType: 'Tail' });
  assert.equal(answer.ExecutedVersion, '$LATEST');
  const events = answer.EventStream[Symbol.asyncIterator]();
  assert.equal(textOf((await events.next()).value), 'first');
  await lambda.send(new TagResourceCommand({ Resource, Tags: { go: 'now' } }));
  assert.equal(textOf((await events.next()).value), 'last');
  const { InvokeComplete } = (await events.next()).value;
  assert.equal(InvokeComplete.ErrorCode, undefined);
  assert.match(Buffer.from(InvokeComplete.LogResult, 'base64').toString(), /REPORT RequestId: /);
  assert.equal((await events.next()).done, true);
});

test('an error in the middle is in the last event', async () => {
  const seen = [];
  for await (const event of (await invoke({ fail: 'no more' })).EventStream) seen.push(event);
  assert.equal(textOf(seen[0]), 'first');
  assert.equal(seen.length, 2);
  assert.equal(seen[1].InvokeComplete.ErrorCode, 'TypeError');
  assert.equal(JSON.parse(seen[1].InvokeComplete.ErrorDetails).errorMessage, 'no more');
});
