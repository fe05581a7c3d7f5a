'use strict';
// From a handler's name to a function: CommonJS or ES module, with AWS's order of looking and AWS's errors.

const fs = require('fs');
const Module = require('module');
const path = require('path');
const { pathToFileURL } = require('url');
const {
  HandlerNotFound,
  ImportModuleError,
  MalformedHandlerName,
  UserCodeSyntaxError,
} = require('./errors');

const HANDLER = /^([^.]*)\.(.*)$/;

// AWS's runtime file, so that "Require stack" in messages reads as there.
const requireAsAws = Module.createRequire('/var/runtime/index.mjs');

// The handler function.
async function load(taskRoot, name) {
  if (name.includes('..')) {
    throw new MalformedHandlerName(
      `'${name}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`,
    );
  }
  const base = path.basename(name);
  const directory = name.substring(0, name.indexOf(base));
  const match = base.match(HANDLER);
  if (!match) throw new MalformedHandlerName('Bad handler');
  const [, file, property] = match;
  const exported = await loadModule(taskRoot, directory, file);
  const handler = property.split('.').reduce((object, key) => object && object[key], exported);
  if (!handler) throw new HandlerNotFound(`${name} is undefined or not exported`);
  if (typeof handler !== 'function') throw new HandlerNotFound(`${name} is not a function`);
  return handler;
}

async function loadModule(taskRoot, directory, file) {
  try {
    return await findModule(taskRoot, directory, file);
  } catch (error) {
    if (error instanceof SyntaxError) throw new UserCodeSyntaxError(error);
    if (error?.code === 'MODULE_NOT_FOUND') throw new ImportModuleError(error);
    throw error;
  }
}

async function findModule(taskRoot, directory, file) {
  const base = path.resolve(taskRoot, directory, file);
  const bare = requireIfThere(base);
  if (bare) return bare;
  const isModule = fs.existsSync(base + '.js') && declaresModule(path.dirname(base));
  const loaded =
    (isModule ? await importIfThere(base + '.js') : requireIfThere(base + '.js')) ||
    (await importIfThere(base + '.mjs')) ||
    requireIfThere(base + '.cjs');
  if (loaded) return loaded;
  return requireAsAws(requireAsAws.resolve(file, { paths: [taskRoot, directory] }));
}

function requireIfThere(file) {
  return fs.existsSync(file) ? requireAsAws(file) : undefined;
}

async function importIfThere(file) {
  if (!fs.existsSync(file)) return undefined;
  letImportsUseNodePath();
  return import(pathToFileURL(file).href);
}

// Whether the nearest package.json says {"type": "module"}.
function declaresModule(folder) {
  if (folder.endsWith('/node_modules')) return false;
  const file = path.join(folder, 'package.json');
  if (fs.existsSync(file)) {
    try {
      return JSON.parse(fs.readFileSync(file, 'utf8'))?.type === 'module';
    } catch (error) {
      console.warn(`${file} cannot be read, it will be ignored for ES module detection purposes.`, error);
      return false;
    }
  }
  return folder !== '/' && declaresModule(path.dirname(folder));
}

// AWS lets `import` find packages of layers and of the runtime. In a sandbox links in / do that (/var/node_modules,
// /node_modules); without them it takes a hook, which costs a thread.
let hooked = false;
function letImportsUseNodePath() {
  if (hooked || !Module.register || fs.lstatSync('/node_modules', { throwIfNoEntry: false })) return;
  if (!process.env.NODE_PATH?.split(':').some((directory) => fs.existsSync(directory))) return;
  hooked = true;
  Module.register(pathToFileURL(path.join(__dirname, 'node_path_hook.mjs')).href, {
    data: process.env.NODE_PATH.split(':').filter(Boolean),
  });
}

module.exports = { load };
