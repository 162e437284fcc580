/** The console: what begins with a session and ends with it. */
import { call, SessionEnded, Trouble } from './api.js';
import { allowCommands, clearCommands, openCommands } from './commands.js';
import { byId, setText } from './dom.js';
import { clearNodes, showNodes } from './nodes.js';
import { addToPlots, clearPlots, openPlots } from './plots.js';
import { startPolling } from './poll.js';
import { clearRing, locateKey, openRing, refreshRing } from './ring.js';
import { openSignIn } from './sign-in.js';

const NEEDS_ADMIN = 'This needs the scope admin.';

let polling;

openSignIn({
  onBegin(scopes, { isAnother }) {
    // What was typed before the last session ended is nobody's but its holder's.
    clearCommands({ typed: isAnother });
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
  /** The service was away, or has never been here: it may be another one. */
  let isNew = true;
  polling = startPolling(
    async () => {
      const { body } = await call('status');
      showService(body.ready ? 'good' : 'bad', `${body.engine}, ${body.ready ? 'ready' : 'not ready'}`);
      showNodes(body);
      addToPlots(body);
      refreshRing(isNew);
      isNew = false;
    },
    (trouble, waitMs) => {
      if (trouble instanceof SessionEnded) return false;
      if (trouble.status === 403) {
        clearWatched(trouble.message);
        return false;
      }
      isNew = true;
      if (!(trouble instanceof Trouble)) reportError(trouble);
      const why = trouble instanceof Trouble ? trouble.code : 'fault of this page';
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
