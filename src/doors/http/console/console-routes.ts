/**
 * The console's routes: its page at `/` and the files that the page asks for. They are open to all, since they say
 * nothing; all that the console shows it asks for with its reader's token.
 */
import type { AddRoutes, Handler } from '../routes';
import { createConsolePages } from './console-pages';

/** Adds the files, and gives back the handler of `GET /`, which shares its path with others. */
export function addConsoleRoutes(add: AddRoutes): Handler {
  const pages = createConsolePages();
  for (const [path, answer] of pages) if (path !== '/') add(path, { GET: answer });
  const answerRoot = pages.get('/');
  if (answerRoot === undefined) throw new Error('The console has no page at /.');
  return answerRoot;
}
