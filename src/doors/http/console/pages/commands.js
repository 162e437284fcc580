/** Get, set and delete: the two forms, what they send, and what comes of it. */
import { call, SessionEnded } from './api.js';
import { byId, byteCount, setText } from './dom.js';
import { clearResult, showResult, showTrouble } from './result.js';

/** What each button needs. */
const SCOPES = { get: 'read', set: 'write', delete: 'delete' };
/** `Cache-Status` of a READ (RFC 9211): `ringcache; hit; detail=near`, `ringcache; fwd=miss`. */
const PLACES = { near: 'near cache', replica: 'replica', master: 'master' };

/** `onDone` hears of each key that a command was carried out on. */
export function openCommands(onDone) {
  const key = byId('key');
  /** Of several commands at the same time the last one is shown. */
  let latest = 0;

  async function run(command, tell) {
    const number = ++latest;
    byId('result').setAttribute('aria-busy', 'true');
    try {
      const answer = await call('cache', { method: 'POST', body: command, headers: tell.headers });
      if (number === latest) showResult({ key: tell.key, tookMs: answer.tookMs, ...tell.outcome(answer) });
      onDone(tell.key);
    } catch (trouble) {
      if (!(trouble instanceof SessionEnded) && number === latest) showTrouble(trouble, tell.key);
    } finally {
      if (number === latest) byId('result').removeAttribute('aria-busy');
    }
  }

  byId('get-form').addEventListener('submit', (event) => {
    event.preventDefault();
    const command = { command: 'READ', key: key.value, consistency: byId('consistency').value };
    void run(JSON.stringify(command), { key: key.value, outcome: outcomeOfRead });
  });

  byId('delete').addEventListener('click', () => {
    if (!byId('get-form').reportValidity()) return;
    const command = JSON.stringify({ command: 'DELETE', key: key.value });
    void run(command, { key: key.value, outcome: outcomeOfDelete });
  });

  byId('set-form').addEventListener('submit', (event) => {
    event.preventDefault();
    if (!byId('get-form').reportValidity() || !checkValue()) return;
    const valueText = valueAsJson();
    const size = byteCount(new Blob([byId('as-json').checked ? valueText : byId('value').value]).size);
    void run(writeOf(key.value, valueText), {
      key: key.value,
      headers: { Prefer: 'return=minimal' },
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
