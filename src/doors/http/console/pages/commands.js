/** Get, set and delete: the two forms, what they send, and what comes of it. */
import { call, SessionEnded, Trouble } from './api.js';
import { byId, setText } from './dom.js';
import { clearResult, showPending, showResult, showTrouble } from './result.js';
import { sizeOf } from './value.js';

/** What each button needs. */
const SCOPES = { get: 'read', set: 'write', delete: 'delete' };
/** What an answer that takes longer than this shows is that it takes long; until then the one before is only dimmed. */
const PATIENCE_MS = 200;
/** `Cache-Status` of a READ (RFC 9211): `ringcache; hit; detail=near`, `ringcache; fwd=miss`. */
const PLACES = { near: 'near cache', replica: 'replica', master: 'master' };

/** `onDone` hears of each key that a command was carried out on. */
export function openCommands(onDone) {
  const key = byId('key');
  /** One command at a time: none's failure is lost behind another's success. */
  let isBusy = false;

  async function run(command, { key: name, pending, isChange = false, headers, seesWrites, outcome }) {
    if (isBusy) return;
    setBusy(true);
    const pause = setTimeout(() => showPending(pending, name), PATIENCE_MS);
    try {
      const answer = await call('cache', { method: 'POST', body: command, headers, seesWrites });
      showResult({ key: name, tookMs: answer.tookMs, ...outcome(answer) });
      onDone(name);
    } catch (trouble) {
      if (trouble instanceof SessionEnded) return;
      if (!(trouble instanceof Trouble)) reportError(trouble);
      showTrouble(isChange ? inDoubt(trouble) : trouble, name);
    } finally {
      clearTimeout(pause);
      setBusy(false);
    }
  }

  /** Not by `disabled`, which would take the focus from whoever has pressed one. */
  function setBusy(isNow) {
    isBusy = isNow;
    byId('result').setAttribute('aria-busy', String(isNow));
    for (const id of Object.keys(SCOPES)) byId(id).setAttribute('aria-disabled', String(isNow));
  }

  byId('get-form').addEventListener('submit', (event) => {
    event.preventDefault();
    const consistency = byId('consistency').value;
    const command = JSON.stringify({ command: 'READ', key: key.value, consistency });
    // Otherwise the service would make it a read of the session, whatever was chosen.
    const seesWrites = consistency === 'session';
    void run(command, { key: key.value, pending: 'Getting …', seesWrites, outcome: outcomeOfRead });
  });

  key.addEventListener('paste', (event) => {
    if (!/[\r\n]/.test(event.clipboardData?.getData('text') ?? '')) return;
    // The browser would make a space of it, in silence, and that is another key.
    event.preventDefault();
    key.setCustomValidity(
      'What was pasted has a line break, which this field cannot hold. Nothing was pasted.',
    );
    key.reportValidity();
  });
  key.addEventListener('input', () => key.setCustomValidity(''));
  key.addEventListener('blur', () => key.setCustomValidity(''));

  byId('delete').addEventListener('click', () => {
    if (!byId('get-form').reportValidity()) return;
    const command = JSON.stringify({ command: 'DELETE', key: key.value });
    void run(command, {
      key: key.value,
      pending: 'Deleting …',
      isChange: true,
      seesWrites: true,
      outcome: outcomeOfDelete,
    });
  });

  byId('set-form').addEventListener('submit', (event) => {
    event.preventDefault();
    if (!byId('get-form').reportValidity() || !checkValue()) return;
    const valueText = valueAsJson();
    const size = sizeOf(JSON.parse(valueText));
    void run(writeOf(key.value, valueText), {
      key: key.value,
      pending: 'Setting …',
      isChange: true,
      headers: { Prefer: 'return=minimal' },
      seesWrites: true,
      outcome: () => ({ headline: 'Set', facts: { Size: size } }),
    });
  });

  byId('value').addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey))
      byId('set-form').requestSubmit(byId('set'));
  });
  for (const id of ['value', 'as-json'])
    byId(id).addEventListener('input', () => byId('value').setCustomValidity(''));
}

/** Says what the client's scopes do not allow. */
export function allowCommands(scopes) {
  const refused = Object.keys(SCOPES).filter((id) => !scopes.includes(SCOPES[id]));
  for (const id of Object.keys(SCOPES)) byId(id).disabled = refused.includes(id);
  byId('rights').hidden = refused.length === 0;
  const named = refused.map((id) => SCOPES[id]).join(', ');
  setText(byId('rights'), refused.length === 0 ? '' : `Not in this client’s scope: ${named}.`);
}

/** `typed`: what the reader has typed goes too. */
export function clearCommands({ typed }) {
  clearResult();
  if (typed) for (const id of ['get-form', 'set-form']) byId(id).reset();
}

function checkValue() {
  const field = byId('value');
  field.setCustomValidity(
    isValueUsable() ? '' : 'This is not JSON. Text that is no JSON goes without the switch.',
  );
  return field.reportValidity();
}

function isValueUsable() {
  if (!byId('as-json').checked) return true;
  try {
    JSON.parse(byId('value').value);
    return true;
  } catch {
    return false;
  }
}

function valueAsJson() {
  const typed = byId('value').value;
  return byId('as-json').checked ? typed.trim() : JSON.stringify(typed);
}

/**
 * The value is put in as the text it is. Parsed and written again, a number that no double holds would lose its digits
 * here in silence, instead of being refused by the service.
 */
function writeOf(key, valueText) {
  const options = {};
  if (byId('ttl').value !== '') options.ttl = byId('ttl').valueAsNumber;
  if (byId('encrypt').value !== '') options.encrypt = byId('encrypt').value === 'true';
  const head = JSON.stringify({ command: 'WRITE', key, ...options });
  return `${head.slice(0, -1)},"value":${valueText}}`;
}

/** Where the service has not answered itself, a change may stand all the same. */
function inDoubt({ code, message, requestId, retryAfterSeconds }) {
  const doubt = requestId === undefined ? ' It may have been carried out.' : '';
  return { code, message: message + doubt, requestId, retryAfterSeconds };
}

function outcomeOfRead({ body, headers }) {
  if (body.status === 'NOT_FOUND')
    return { headline: 'Not found', tone: 'plain', facts: { 'Found in': 'nowhere' } };
  const detail = /detail=(\w+)/.exec(headers.get('Cache-Status') ?? '')?.[1];
  return { headline: 'Found', facts: { 'Found in': PLACES[detail] }, reply: body };
}

function outcomeOfDelete({ body }) {
  return body.status === 'SUCCESS'
    ? { headline: 'Deleted' }
    : { headline: 'Not found: there was nothing to delete', tone: 'plain' };
}
