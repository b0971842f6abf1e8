// What only a module can do.
import { sibling } from './sibling.mjs';
import inPackage from 'a-module';
import { fileURLToPath, pathToFileURL } from 'node:url';

const awaited = await Promise.resolve('awaited');
export const handler = async () => ({ awaited, sibling, inPackage, require: typeof require, dirname: typeof __dirname });
export default { only: { handler: async () => 'of the default export' } };
const runs = [process.argv[1] === fileURLToPath(import.meta.url), import.meta.url === pathToFileURL(process.argv[1]).href];
export const directly = async () => runs;
export const nested = { within: { handler: async () => 'nested' } };
