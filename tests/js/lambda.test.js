// Lambda through AWS's SDK for JavaScript v3: what a Node.js developer writes, against a server named by AWS_ENDPOINT_URL.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  CreateFunctionCommand,
  DeleteFunctionCommand,
  GetFunctionCommand,
  InvokeCommand,
  LambdaClient,
  ListFunctionsCommand,
  PublishVersionCommand,
  ResourceConflictException,
  ResourceNotFoundException,
  InvalidRequestContentException,
  UpdateFunctionCodeCommand,
  UpdateFunctionConfigurationCommand,
  paginateListVersionsByFunction,
  waitUntilFunctionActiveV2,
  waitUntilFunctionUpdatedV2,
} from '@aws-sdk/client-lambda';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { zipOf } from './zip.js';

const lambda = new LambdaClient({ maxAttempts: 1 });
const FunctionName = 'from-javascript';
const patience = { client: lambda, minDelay: 0.05, maxDelay: 1, maxWaitTime: 60 };
const creation = (source) => ({
  FunctionName,
  Runtime: process.env.TEST_NODE_RUNTIME,
  Handler: 'index.handler',
  Role: 'arn:aws:iam::000000000000:role/worker',
  Code: { ZipFile: zipOf({ 'index.mjs': source }) },
});
const invoke = async (event, more = {}) => {
  const answer = await lambda.send(new InvokeCommand({ FunctionName, Payload: JSON.stringify(event), ...more }));
  return { ...answer, value: JSON.parse(answer.Payload?.transformToString() || 'null') };
};

before(async () => {
  const source = `export const handler = async (event) => {
    console.log('called with', JSON.stringify(event));
    if (event.fail) throw new TypeError(event.fail);
    return { doubled: event.n * 2 };
  };`;
  const created = await lambda.send(new CreateFunctionCommand(creation(source)));
  assert.equal(created.State, 'Pending');
  const waited = await waitUntilFunctionActiveV2(patience, { FunctionName });
  assert.equal(waited.state, 'SUCCESS');
});

after(() => lambda.send(new DeleteFunctionCommand({ FunctionName })));

test('a function answers', async () => {
  const answer = await invoke({ n: 21 }, { LogType: 'Tail' });
  assert.deepEqual(answer.value, { doubled: 42 });
  assert.equal(answer.StatusCode, 200);
  assert.equal(answer.ExecutedVersion, '$LATEST');
  const tail = Buffer.from(answer.LogResult, 'base64').toString();
  assert.match(tail, /called with {"n":21}/);
  assert.ok(tail.includes(`REPORT RequestId: ${answer.$metadata.requestId}\t`), tail);
});

test('a failure is an answer with FunctionError', async () => {
  const answer = await invoke({ fail: 'no such thing' });
  assert.equal(answer.FunctionError, 'Unhandled');
  assert.equal(answer.value.errorType, 'TypeError');
  assert.equal(answer.value.errorMessage, 'no such thing');
});

test('an event is accepted', async () => {
  const answer = await invoke({ n: 1 }, { InvocationType: 'Event' });
  assert.equal(answer.StatusCode, 202);
});

test('errors are the classes of the SDK', async () => {
  const missing = lambda.send(new GetFunctionCommand({ FunctionName: 'nowhere' }));
  await assert.rejects(missing, (error) => {
    assert.ok(error instanceof ResourceNotFoundException);
    assert.equal(error.name, 'ResourceNotFoundException');
    assert.equal(error.Type, 'User');
    assert.equal(error.message, 'Function not found: arn:aws:lambda:us-east-1:000000000000:function:nowhere');
    assert.equal(error.$metadata.httpStatusCode, 404);
    assert.match(error.$metadata.requestId, /^[0-9a-f-]{36}$/);
    return true;
  });
  await assert.rejects(lambda.send(new CreateFunctionCommand(creation(''))), ResourceConflictException);
  await assert.rejects(lambda.send(new InvokeCommand({ FunctionName, Payload: '{' })), InvalidRequestContentException);
});

test('changes are waited for', async () => {
  const Environment = { Variables: { GREETING: 'hello' } };
  await lambda.send(new UpdateFunctionConfigurationCommand({ FunctionName, Environment }));
  await waitUntilFunctionUpdatedV2(patience, { FunctionName });
  const ZipFile = zipOf({ 'index.mjs': 'export const handler = async () => process.env.GREETING;' });
  await lambda.send(new UpdateFunctionCodeCommand({ FunctionName, ZipFile }));
  await waitUntilFunctionUpdatedV2(patience, { FunctionName });
  assert.equal((await invoke({})).value, 'hello');
});

test('pages are turned', async () => {
  await lambda.send(new PublishVersionCommand({ FunctionName }));
  const versions = [];
  for await (const page of paginateListVersionsByFunction({ client: lambda, pageSize: 1 }, { FunctionName })) {
    versions.push(...page.Versions.map((one) => one.Version));
  }
  assert.deepEqual(versions, ['$LATEST', '1']);
  const { Functions } = await lambda.send(new ListFunctionsCommand({}));
  assert.ok(Functions.some((one) => one.FunctionName === FunctionName));
});

test('the caller is known', async () => {
  const me = await new STSClient({}).send(new GetCallerIdentityCommand({}));
  assert.equal(me.Arn, 'arn:aws:iam::000000000000:root');
  const stranger = new STSClient({ credentials: { accessKeyId: 'AKIDUNKNOWN', secretAccessKey: 'x' }, maxAttempts: 1 });
  await assert.rejects(stranger.send(new GetCallerIdentityCommand({})), { name: 'InvalidClientTokenId' });
});
