// Layers through AWS's SDK for JavaScript v3.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import {
  CreateFunctionCommand,
  DeleteFunctionCommand,
  DeleteLayerVersionCommand,
  GetLayerVersionByArnCommand,
  GetLayerVersionCommand,
  InvokeCommand,
  LambdaClient,
  PublishLayerVersionCommand,
  ResourceNotFoundException,
  paginateListLayerVersions,
  waitUntilFunctionActiveV2,
} from '@aws-sdk/client-lambda';
import { zipOf } from './zip.js';

const lambda = new LambdaClient({ maxAttempts: 1 });
const FunctionName = 'layered-from-javascript';
const LayerName = 'from-javascript';

after(async () => {
  await lambda.send(new DeleteFunctionCommand({ FunctionName }));
  for (const VersionNumber of [1, 2]) await lambda.send(new DeleteLayerVersionCommand({ LayerName, VersionNumber }));
});

test('a function imports what its layer brings', async () => {
  const Content = { ZipFile: zipOf({ 'nodejs/node_modules/greeting/index.js': "module.exports = 'hello';" }) };
  const layer = await lambda.send(new PublishLayerVersionCommand({ LayerName, Content, CompatibleRuntimes: ['nodejs22.x'] }));
  assert.equal(layer.Version, 1);
  await lambda.send(new PublishLayerVersionCommand({ LayerName, Content }));
  const shown = await lambda.send(new GetLayerVersionByArnCommand({ Arn: layer.LayerVersionArn }));
  assert.deepEqual(shown.CompatibleRuntimes, ['nodejs22.x']);
  const fetched = await fetch(shown.Content.Location);
  assert.equal((await fetched.arrayBuffer()).byteLength, shown.Content.CodeSize);
  const versions = [];
  for await (const page of paginateListLayerVersions({ client: lambda, pageSize: 1 }, { LayerName })) {
    versions.push(...page.LayerVersions.map((item) => item.Version));
  }
  assert.deepEqual(versions, [2, 1]);

  const source = "import greeting from 'greeting'; export const handler = async () => greeting;";
  const created = await lambda.send(
    new CreateFunctionCommand({
      FunctionName,
      Runtime: process.env.TEST_NODE_RUNTIME,
      Handler: 'index.handler',
      Role: 'arn:aws:iam::000000000000:role/worker',
      Code: { ZipFile: zipOf({ 'index.mjs': source }) },
      Layers: [layer.LayerVersionArn],
    }),
  );
  assert.deepEqual(created.Layers, [{ Arn: layer.LayerVersionArn, CodeSize: layer.Content.CodeSize }]);
  await waitUntilFunctionActiveV2({ client: lambda, minDelay: 0.05, maxDelay: 1, maxWaitTime: 60 }, { FunctionName });
  const answer = await lambda.send(new InvokeCommand({ FunctionName }));
  assert.equal(JSON.parse(answer.Payload.transformToString()), 'hello');
});

test('a layer version that is not there is a typed error', async () => {
  const missing = lambda.send(new GetLayerVersionCommand({ LayerName: 'nowhere', VersionNumber: 1 }));
  await assert.rejects(missing, ResourceNotFoundException);
});
