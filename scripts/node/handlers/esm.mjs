// What only a module can do.
import { sibling } from './sibling.mjs';
import inPackage from 'a-module';

const awaited = await Promise.resolve('awaited');
export const handler = async () => ({ awaited, sibling, inPackage, require: typeof require, dirname: typeof __dirname });
export default { only: { handler: async () => 'of the default export' } };
export const nested = { within: { handler: async () => 'nested' } };
