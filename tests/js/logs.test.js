// CloudWatch Logs through AWS's SDK for JavaScript v3.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  CreateLogStreamCommand,
  DeleteLogGroupCommand,
  FilterLogEventsCommand,
  GetLogEventsCommand,
  PutLogEventsCommand,
  ResourceAlreadyExistsException,
  ResourceNotFoundException,
  paginateFilterLogEvents,
} from '@aws-sdk/client-cloudwatch-logs';

const logs = new CloudWatchLogsClient({ maxAttempts: 1 });
const logGroupName = '/from/javascript', logStreamName = 'stream';

before(async () => {
  await logs.send(new CreateLogGroupCommand({ logGroupName }));
  await logs.send(new CreateLogStreamCommand({ logGroupName, logStreamName }));
  const begin = Date.now() - 10;
  const logEvents = ['one', 'ERROR two', 'drei ü'].map((message, n) => ({ timestamp: begin + n, message }));
  await logs.send(new PutLogEventsCommand({ logGroupName, logStreamName, logEvents }));
});

after(() => logs.send(new DeleteLogGroupCommand({ logGroupName })));

test('events are read', async () => {
  const { events } = await logs.send(new GetLogEventsCommand({ logGroupName, logStreamName, startFromHead: true }));
  assert.deepEqual(events.map((event) => event.message), ['one', 'ERROR two', 'drei ü']);
});

test('events are searched, page by page', async () => {
  const { events } = await logs.send(new FilterLogEventsCommand({ logGroupName, filterPattern: 'ERROR' }));
  assert.deepEqual(events.map((event) => event.message), ['ERROR two']);
  const found = [];
  for await (const page of paginateFilterLogEvents({ client: logs, pageSize: 1 }, { logGroupName })) {
    found.push(...page.events);
  }
  assert.equal(found.length, 3);
});

test('errors are the classes of the SDK', async () => {
  await assert.rejects(logs.send(new CreateLogGroupCommand({ logGroupName })), ResourceAlreadyExistsException);
  const missing = logs.send(new FilterLogEventsCommand({ logGroupName: '/nowhere' }));
  await assert.rejects(missing, (error) => error instanceof ResourceNotFoundException && error.$metadata.httpStatusCode === 400);
});
