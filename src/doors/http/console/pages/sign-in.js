/** Signing in and out, what the token allows, and how long it lasts. */
import { endSession, onSessionEnd, signIn, Trouble } from './api.js';
import { byId, countdown, setText } from './dom.js';

const MESSAGES = {
  expired: 'The session has ended: its token has expired or was revoked. Sign in again to go on.',
  left: '',
};

/**
 * `onBegin` hears of the scopes of each new session, and whether its key `isAnother` than the last one's; `onEnd` of why it
 * ended: `expired` or `left`.
 */
export function openSignIn({ onBegin, onEnd }) {
  const [panel, form, field] = [byId('sign-in'), byId('sign-in-form'), byId('api-key')];
  const [bar, ends, workspace] = [byId('session'), byId('session-ends'), byId('workspace')];
  const button = form.querySelector('button');
  let timer;
  /** Of the key of the last session. */
  let mark;
  let pagesLeft = 0;

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    void attempt().finally(() => (button.disabled = false));
  });
  byId('sign-out').addEventListener('click', () => endSession('left'));
  // A browser may keep the page as it is, and show it again to whoever goes back.
  addEventListener('pagehide', () => {
    pagesLeft += 1;
    field.value = '';
    endSession('left');
  });

  async function attempt() {
    try {
      const apiKey = field.value;
      const pagesLeftBefore = pagesLeft;
      const markNow = await markOf(apiKey);
      const { scopes, endsAtMs } = await signIn(apiKey);
      // The page was left meanwhile: whoever comes back to it signs in anew.
      if (pagesLeft !== pagesLeftBefore) {
        endSession('left');
        return;
      }
      const before = mark;
      mark = markNow;
      begin(scopes, endsAtMs, mark === undefined || mark !== before);
    } catch (trouble) {
      if (!(trouble instanceof Trouble)) reportError(trouble);
      say(sentenceOf(trouble));
      field.select();
    }
  }

  function begin(scopes, endsAtMs, isAnother) {
    field.value = '';
    say('');
    setText(byId('session-scope'), scopes.join(' '));
    const tick = () => {
      const leftSeconds = (endsAtMs - Date.now()) / 1000;
      setText(ends, countdown(leftSeconds));
      if (leftSeconds <= 0) endSession('expired');
    };
    timer = setInterval(tick, 1000);
    tick();
    show(true);
    onBegin(scopes, { isAnother });
    byId('key').focus();
  }

  onSessionEnd((why) => {
    clearInterval(timer);
    show(false);
    say(MESSAGES[why]);
    field.focus();
    onEnd(why);
  });

  function show(isSignedIn) {
    panel.hidden = isSignedIn;
    bar.hidden = !isSignedIn;
    workspace.hidden = !isSignedIn;
  }

  function say(sentence) {
    setText(byId('sign-in-message'), sentence);
  }
}

/** Tells one key from another without keeping it. undefined where the browser cannot: behind a proxy without TLS. */
async function markOf(apiKey) {
  const digest = await crypto.subtle?.digest('SHA-256', new TextEncoder().encode(apiKey));
  return digest && new Uint8Array(digest).join();
}

function sentenceOf({ code, message, retryAfterSeconds }) {
  if (code === 'unauthenticated') return 'This key is not known here.';
  if (code === 'throttled')
    return `There were too many wrong keys. Try again in ${countdown(retryAfterSeconds)}.`;
  return message;
}
