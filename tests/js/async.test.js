// Asynchronous invocation through AWS's SDK for JavaScript v3: a function whose success is told to another.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { CloudWatchLogsClient, FilterLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs';
import {
  CreateFunctionCommand,
  DeleteFunctionCommand,
  GetFunctionEventInvokeConfigCommand,
  InvokeCommand,
  LambdaClient,
  PutFunctionEventInvokeConfigCommand,
  ResourceNotFoundException,
  waitUntilFunctionActiveV2,
} from '@aws-sdk/client-lambda';
import { zipOf } from './zip.js';

const lambda = new LambdaClient({ maxAttempts: 1 });
const logs = new CloudWatchLogsClient({});
const names = { worker: 'async-worker', told: 'async-told' };
const arn = (name) => `arn:aws:lambda:us-east-1:000000000000:function:${name}`;

async function create(FunctionName, source) {
  const Code = { ZipFile: zipOf({ 'index.mjs': source }) };
  const Role = 'arn:aws:iam::000000000000:role/worker';
  const settings = { Runtime: process.env.TEST_NODE_RUNTIME, Handler: 'index.handler', Role, Code };
  await lambda.send(new CreateFunctionCommand({ FunctionName, ...settings }));
  await waitUntilFunctionActiveV2({ client: lambda, minDelay: 0.05, maxDelay: 1, maxWaitTime: 60 }, { FunctionName });
}

before(async () => {
  await create(names.worker, 'export const handler = async (event) => ({ doubled: event.n * 2 });');
  await create(names.told, 'export const handler = async (event) => console.log(JSON.stringify(event));');
});

after(() => Promise.all(Object.values(names).map((FunctionName) => lambda.send(new DeleteFunctionCommand({ FunctionName })))));

/** The record of a request, once it has been told. */
async function record(requestId) {
  for (let left = 300; left > 0; left -= 1) {
    const asked = { logGroupName: `/aws/lambda/${names.told}`, filterPattern: `"${requestId}"` };
    const found = await logs.send(new FilterLogEventsCommand(asked)).catch(() => ({ events: [] }));
    const line = found.events.find(({ message }) => message.includes('requestContext'));
    if (line) return JSON.parse(line.message.slice(line.message.indexOf('{')));
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`nothing was told of ${requestId}`);
}

test('a success is told to another function', async () => {
  const FunctionName = names.worker;
  const missing = lambda.send(new GetFunctionEventInvokeConfigCommand({ FunctionName }));
  await assert.rejects(missing, ResourceNotFoundException);
  const DestinationConfig = { OnSuccess: { Destination: arn(names.told) } };
  const put = await lambda.send(new PutFunctionEventInvokeConfigCommand({ FunctionName, DestinationConfig }));
  assert.equal(put.FunctionArn, `${arn(names.worker)}:$LATEST`);
  assert.ok(put.LastModified instanceof Date);
  const Payload = JSON.stringify({ n: 21 });
  const sent = await lambda.send(new InvokeCommand({ FunctionName, InvocationType: 'Event', Payload }));
  assert.equal(sent.StatusCode, 202);
  const told = await record(sent.$metadata.requestId);
  assert.deepEqual(told.responsePayload, { doubled: 42 });
  assert.deepEqual(told.requestPayload, { n: 21 });
  assert.equal(told.requestContext.condition, 'Success');
});
