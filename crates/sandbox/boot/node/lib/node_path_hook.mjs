// Lets `import 'package'` look in NODE_PATH's directories after the usual places have nothing.

import { pathToFileURL } from 'node:url';

let parents = [];

export function initialize(directories) {
  parents = directories.map((directory) => pathToFileURL(directory.replace(/\/node_modules\/?$/, '') + '/x.mjs').href);
}

export async function resolve(specifier, context, next) {
  try {
    return await next(specifier, context);
  } catch (error) {
    if (error?.code !== 'ERR_MODULE_NOT_FOUND' || /^[./]|^[a-z]+:/.test(specifier)) throw error;
    for (const parentURL of parents) {
      try {
        return await next(specifier, { ...context, parentURL });
      } catch {
        // the next directory
      }
    }
    throw error;
  }
}
