/**
 * The last five minutes of the service, from what `GET /status` tells each second: it tells sums since the start, and
 * what happened between two looks is their difference. Pure: time comes from the caller.
 */

export const WINDOW_SECONDS = 300;
/** Two looks further apart are not compared: a page that was hidden, a service that was away. */
const GAP_SECONDS = 10;
/** Each is a list as long as `times`; null: nothing was measured, so that no line goes through there. */
const NAMES = ['hitRate', 'perSecond', 'p50', 'p99'];

/**
 * A history without anything in it.
 * @returns `add(status, nowSeconds)` after each look, by a clock that never goes back; `times` (seconds) and the lists of `NAMES` are the same arrays
 *   for ever
 */
export function createHistory() {
  const lists = { times: [], ...Object.fromEntries(NAMES.map((name) => [name, []])) };
  let last;

  function push(seconds, figures) {
    lists.times.push(seconds);
    for (const name of NAMES) lists[name].push(figures?.[name] ?? null);
  }

  function add(status, nowSeconds) {
    const look = { status, nowSeconds };
    if (last !== undefined && isContinued(last, look)) {
      push(nowSeconds, differencesOf(last, look));
    } else if (last !== undefined) {
      push(nowSeconds);
    }
    last = look;
    const first = lists.times.findIndex((seconds) => seconds >= nowSeconds - WINDOW_SECONDS);
    for (const list of Object.values(lists)) list.splice(0, first);
  }

  return { ...lists, add };
}

/**
 * The places of the dots: where the line of these values is now, and wherever there is no line, since a measurement between
 * two idle seconds has no neighbour.
 */
export function dotsOf(values) {
  const isMeasured = (at) => typeof values[at] === 'number';
  return [...values.keys()].filter(
    (at) => isMeasured(at) && (at === values.length - 1 || !(isMeasured(at - 1) || isMeasured(at + 1))),
  );
}

/** False where the sums began anew, or too long ago. */
function isContinued(before, after) {
  if (after.nowSeconds - before.nowSeconds > GAP_SECONDS) return false;
  return sumsOf(before.status).every((sum, index) => !(sumsOf(after.status)[index] < sum));
}

function sumsOf({ uptime_seconds: uptime, near, latency }) {
  return [uptime, near.hits, near.misses, ...(latency?.counts ?? [])];
}

function differencesOf(before, after) {
  const [from, to] = [before.status, after.status];
  // The service's own clock, where it tells it: an answer that was held up on its way would look like a rush.
  const seconds = to.uptime_seconds - from.uptime_seconds || after.nowSeconds - before.nowSeconds;
  const hits = to.near.hits - from.near.hits;
  const reads = hits + to.near.misses - from.near.misses;
  const counts = to.latency?.counts.map((count, index) => count - (from.latency?.counts[index] ?? 0));
  return {
    hitRate: reads > 0 ? (100 * hits) / reads : undefined,
    // Those whose latency was measured. The sum of all requests has those of whoever watches: this page's own.
    perSecond: counts && sumOf(counts) / seconds,
    p50: counts && quantileOf(0.5, to.latency.bounds_ms, counts),
    p99: counts && quantileOf(0.99, to.latency.bounds_ms, counts),
  };
}

/**
 * The time below which that part of the requests stayed, taken as spread evenly within their bucket; undefined without
 * requests. Of those beyond the last bound no more is known than that: the bound.
 * @param counts one more than `bounds`: `counts[i]` lie between `bounds[i - 1]` and `bounds[i]`
 */
function quantileOf(part, bounds, counts) {
  const total = sumOf(counts);
  if (total === 0) return undefined;
  let below = 0;
  for (const [index, bound] of bounds.entries()) {
    const count = counts[index];
    if (count > 0 && below + count >= part * total) {
      const start = index === 0 ? 0 : bounds[index - 1];
      return start + ((bound - start) * (part * total - below)) / count;
    }
    below += count;
  }
  return bounds.at(-1);
}

function sumOf(counts) {
  return counts.reduce((sum, count) => sum + count, 0);
}
