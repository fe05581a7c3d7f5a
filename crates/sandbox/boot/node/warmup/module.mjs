// The same for ES modules, so that their loader is warm.

import path from 'node:path';

export const handler = (event, context, callback) => {
  context.callbackWaitsForEmptyEventLoop = false;
  callback(null, { keys: Object.keys(event), path: path.join('/', 'warm') });
};
