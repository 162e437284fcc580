/** Signing in and out, what the token allows, and how long it lasts. */
import { endSession, onSessionEnd, signIn } from './api.js';
import { byId, countdown, setText } from './dom.js';

const MESSAGES = {
  expired: 'The session has ended: its token has expired or was revoked. Sign in again to go on.',
  left: '',
};

/** `onBegin` hears of the scopes of each new session, `onEnd` of why it ended: `expired` or `left`. */
export function openSignIn({ onBegin, onEnd }) {
  const [panel, form, field] = [byId('sign-in'), byId('sign-in-form'), byId('api-key')];
  const [bar, ends, workspace] = [byId('session'), byId('session-ends'), byId('workspace')];
  const button = form.querySelector('button');
  let timer;

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    void attempt().finally(() => (button.disabled = false));
  });
  byId('sign-out').addEventListener('click', () => endSession('left'));

  async function attempt() {
    try {
      const { scopes, endsAtMs } = await signIn(field.value);
      begin(scopes, endsAtMs);
    } catch (trouble) {
      say(sentenceOf(trouble));
      field.select();
    }
  }

  function begin(scopes, endsAtMs) {
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
    onBegin(scopes);
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

function sentenceOf({ code, message, retryAfterSeconds }) {
  if (code === 'unauthenticated') return 'This key is not known here.';
  if (code === 'throttled')
    return `There were too many wrong keys. Try again in ${countdown(retryAfterSeconds)}.`;
  return message;
}
