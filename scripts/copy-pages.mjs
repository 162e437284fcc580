// The build's second half: the compiler leaves out what is not TypeScript, so the console's files are copied behind it.
import { cpSync } from 'node:fs';

const PAGES = 'doors/http/console/pages';
const [from, to] = ['src', 'dist'].map((folder) => new URL(`../${folder}/${PAGES}`, import.meta.url));

cpSync(from, to, { recursive: true });
