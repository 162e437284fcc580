/** The console: what begins with a session and ends with it. */
import { call, SessionEnded } from './api.js';
import { allowCommands, clearCommands, openCommands } from './commands.js';
import { byId, setText } from './dom.js';
import { clearNodes, showNodes } from './nodes.js';
import { addToPlots, clearPlots, openPlots } from './plots.js';
import { startPolling } from './poll.js';
import { clearRing, loadRing, locateKey, openRing } from './ring.js';
import { openSignIn } from './sign-in.js';

const NEEDS_ADMIN = 'This needs the scope admin.';
/** A ring changes when an operator changes it, or a cluster moves its slots. */
const RING_EVERY_MS = 30_000;

let polling;

openSignIn({
  onBegin(scopes) {
    allowCommands(scopes);
    if (scopes.includes('admin')) watch();
    else clearWatched(NEEDS_ADMIN);
  },
  onEnd(why) {
    polling?.stop();
    clearWatched('');
    clearCommands({ typed: why === 'left' });
  },
});
openCommands((key) => {
  if (key === byId('key').value) void locateKey();
});
openRing();
openPlots();

function watch() {
  clearWatched('');
  let ringDueMs = 0;
  polling = startPolling(
    async () => {
      const { body } = await call('status');
      if (performance.now() >= ringDueMs) {
        await loadRing();
        ringDueMs = performance.now() + RING_EVERY_MS;
      }
      showService(body.ready ? 'good' : 'bad', `${body.engine}, ${body.ready ? 'ready' : 'not ready'}`);
      showNodes(body);
      addToPlots(body);
    },
    (trouble, waitMs) => {
      if (trouble instanceof SessionEnded) return false;
      if (trouble.status === 403) {
        clearWatched(trouble.message);
        return false;
      }
      // When it is back it may be another one.
      ringDueMs = 0;
      const why = trouble.status === undefined ? 'no answer' : String(trouble.code);
      showService('bad', `${why}, trying again in ${Math.round(waitMs / 1000)} s`);
      return true;
    },
  );
}

function clearWatched(note) {
  byId('service').hidden = true;
  clearRing(note);
  clearPlots(note);
  clearNodes(note);
}

function showService(tone, text) {
  byId('service').hidden = false;
  byId('service').dataset.tone = tone;
  setText(byId('service'), text);
}
