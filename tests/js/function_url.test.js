// A function's URL as a browser or a Node.js program uses it: `fetch`, and the body read while it is written.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  AddPermissionCommand,
  CreateFunctionCommand,
  CreateFunctionUrlConfigCommand,
  DeleteFunctionCommand,
  LambdaClient,
  TagResourceCommand,
  waitUntilFunctionActiveV2,
} from '@aws-sdk/client-lambda';
import { zipOf } from './zip.js';

const lambda = new LambdaClient({ maxAttempts: 1 });
const FunctionName = 'url-for-javascript';
let url;

before(async () => {
  const source = `import { LambdaClient, ListTagsCommand } from '@aws-sdk/client-lambda';
    export const handler = awslambda.streamifyResponse(async (event, stream, context) => {
      const head = { statusCode: 201, headers: { 'content-type': 'text/event-stream' }, cookies: ['a=1'] };
      stream = awslambda.HttpResponseStream.from(stream, head);
      stream.write('data: ' + event.body + '\\n\\n');
      const tags = () => new LambdaClient().send(new ListTagsCommand({ Resource: context.invokedFunctionArn }));
      while (!(await tags()).Tags.go) await new Promise((f) => setTimeout(f, 20));
      stream.end('data: last\\n\\n');
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
  const permission = { FunctionName, StatementId: 'url', Action: 'lambda:InvokeFunctionUrl', Principal: '*', FunctionUrlAuthType: 'NONE' };
  await lambda.send(new AddPermissionCommand(permission));
  const config = { FunctionName, AuthType: 'NONE', InvokeMode: 'RESPONSE_STREAM' };
  url = (await lambda.send(new CreateFunctionUrlConfigCommand(config))).FunctionUrl;
});

after(() => lambda.send(new DeleteFunctionCommand({ FunctionName })));

test('server-sent events arrive one by one', async () => {
  const response = await fetch(url, { method: 'POST', body: 'hello', headers: { 'content-type': 'text/plain' } });
  assert.equal(response.status, 201);
  assert.equal(response.headers.get('content-type'), 'text/event-stream');
  assert.equal(response.headers.get('set-cookie'), 'a=1');
  const reader = response.body.getReader();
  const next = async () => Buffer.from((await reader.read()).value).toString();
  assert.equal(await next(), 'data: hello\n\n');
  await lambda.send(new TagResourceCommand({ Resource: `arn:aws:lambda:us-east-1:000000000000:function:${FunctionName}`, Tags: { go: 'now' } }));
  assert.equal(await next(), 'data: last\n\n');
  assert.equal((await reader.read()).done, true);
});
