/** The panel that says what became of a command. */
import { brief, byId, create, milliseconds, setFacts } from './dom.js';
import { describeValue } from './value.js';

/** A narrower panel gets shorter lines of a dump. */
const WIDE_PX = 570;

/**
 * A command that succeeded: a headline, its tone (`good`, or `plain` where nothing was there), what there is to know,
 * and for a READ the reply that has the value.
 */
export function showResult({ headline, tone = 'good', key, tookMs, facts = {}, reply }) {
  const columns = byId('result').clientWidth >= WIDE_PX ? 16 : 8;
  const value = reply === undefined ? undefined : describeValue(reply, columns);
  const about = value === undefined ? {} : { Type: value.kind, Size: value.size };
  open(headline, tone, { Key: brief(key), ...facts, ...about, Took: milliseconds(tookMs) });
  if (value !== undefined) showValue(value);
}

/** A command whose answer lets wait. */
export function showPending(headline, key) {
  open(headline, 'plain', { Key: brief(key) });
}

/** A command that failed. */
export function showTrouble({ code, message, requestId, retryAfterSeconds }, key) {
  open(message, 'bad', {
    Code: code,
    Key: brief(key),
    'Retry after': retryAfterSeconds === undefined ? undefined : `${retryAfterSeconds} s`,
    Request: requestId,
  });
}

export function clearResult() {
  open('', 'none', {});
}

/** The panel is never hidden: what is said in an element that was not there before, not every screen reader reads out. */
function open(headline, tone, facts) {
  byId('result').dataset.tone = tone;
  // Said again even if it says the same: a new command was carried out.
  byId('result-status').replaceChildren(create('strong', { textContent: headline }));
  setFacts(byId('result-facts'), facts);
  byId('result-value').hidden = true;
  byId('result-value').replaceChildren();
  byId('result-actions').replaceChildren();
}

function showValue(value) {
  const box = byId('result-value');
  box.hidden = value.bytes.length === 0;
  box.dataset.kind = value.kind;
  box.textContent = value.glance;
  box.scrollTop = 0;
  if (value.glance.length < value.whole.length) offerWhole(box, value);
  if (value.bytes.length > 0) offerDownload(value);
}

function offerWhole(box, { whole, wholeLabel, isWhole }) {
  const note = create('span', { className: 'hint', textContent: 'Only the beginning is shown.' });
  const button = create('button', { type: 'button', className: 'quiet', textContent: wholeLabel });
  button.addEventListener('click', () => {
    box.textContent = whole;
    box.focus();
    if (isWhole) note.remove();
    button.remove();
  });
  byId('result-actions').append(note, button);
}

function offerDownload({ bytes, fileName }) {
  const button = create('button', { type: 'button', className: 'quiet', textContent: 'Download' });
  button.addEventListener('click', () => {
    const url = URL.createObjectURL(new Blob([bytes], { type: 'application/octet-stream' }));
    create('a', { href: url, download: fileName }).click();
    // The download has the blob by then; the address is what would keep it in memory.
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  });
  byId('result-actions').append(button);
}
