// Aliases and provisioned concurrency through AWS's SDK for JavaScript v3.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  CreateAliasCommand,
  CreateFunctionCommand,
  DeleteFunctionCommand,
  GetProvisionedConcurrencyConfigCommand,
  InvokeCommand,
  LambdaClient,
  PutFunctionConcurrencyCommand,
  PutProvisionedConcurrencyConfigCommand,
  TooManyRequestsException,
  UpdateAliasCommand,
  waitUntilPublishedVersionActive,
} from '@aws-sdk/client-lambda';
import { zipOf } from './zip.js';

const lambda = new LambdaClient({ maxAttempts: 1 });
const FunctionName = 'provisioned-from-javascript';
const invoke = async (Qualifier) => {
  const answer = await lambda.send(new InvokeCommand({ FunctionName, Qualifier, Payload: '{}' }));
  return { ...answer, value: JSON.parse(answer.Payload.transformToString()) };
};

before(async () => {
  const source = `
    await new Promise((resolve) => setTimeout(resolve, 500));
    export const handler = async () => process.env.AWS_LAMBDA_INITIALIZATION_TYPE;`;
  await lambda.send(
    new CreateFunctionCommand({
      FunctionName,
      Runtime: process.env.TEST_NODE_RUNTIME,
      Handler: 'index.handler',
      Role: 'arn:aws:iam::000000000000:role/worker',
      Code: { ZipFile: zipOf({ 'index.mjs': source }) },
      Publish: true,
    }),
  );
  const patience = { client: lambda, minDelay: 0.05, maxDelay: 1, maxWaitTime: 60 };
  const waited = await waitUntilPublishedVersionActive(patience, { FunctionName, Qualifier: '1' });
  assert.equal(waited.state, 'SUCCESS');
});

after(() => lambda.send(new DeleteFunctionCommand({ FunctionName })));

test('an alias with provisioned concurrency answers from what was initialised ahead', async () => {
  const alias = await lambda.send(new CreateAliasCommand({ FunctionName, Name: 'live', FunctionVersion: '1' }));
  const change = { FunctionName, Qualifier: 'live', ProvisionedConcurrentExecutions: 1 };
  const put = await lambda.send(new PutProvisionedConcurrencyConfigCommand(change));
  assert.equal(put.Status, 'IN_PROGRESS');
  let now;
  do {
    await sleep(50);
    now = await lambda.send(new GetProvisionedConcurrencyConfigCommand({ FunctionName, Qualifier: 'live' }));
  } while (now.Status === 'IN_PROGRESS');
  assert.equal(now.Status, 'READY');
  const answer = await invoke('live');
  assert.equal(answer.value, 'provisioned-concurrency');
  assert.equal(answer.ExecutedVersion, '1');
  const moved = { FunctionName, Name: 'live', Description: 'as it is', RevisionId: alias.RevisionId };
  const updated = await lambda.send(new UpdateAliasCommand(moved));
  assert.notEqual(updated.RevisionId, alias.RevisionId);
});

test('a reservation throttles in a way the SDK understands', async () => {
  const reserve = { FunctionName, ReservedConcurrentExecutions: 1 };
  await lambda.send(new PutFunctionConcurrencyCommand(reserve));
  await assert.rejects(invoke('$LATEST'), (error) => {
    assert(error instanceof TooManyRequestsException);
    assert.equal(error.Reason, 'ReservedFunctionConcurrentInvocationLimitExceeded');
    assert(Number(error.retryAfterSeconds) >= 1);
    return true;
  });
  assert.equal((await invoke('live')).value, 'provisioned-concurrency');
});
