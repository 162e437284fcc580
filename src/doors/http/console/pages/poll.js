/**
 * Asking again and again, while somebody can see the answer: a page that is hidden asks nothing, and a service that
 * does not answer is asked less and less often, until it does.
 */

const EVERY_MS = 1000;
const EVERY_MS_MAX = 15_000;

/**
 * @param attempt asks once; it throws when that failed
 * @param onTrouble hears of each failure, with the milliseconds until the next attempt; it says whether to go on
 * @returns `stop()`
 */
export function startPolling(attempt, onTrouble) {
  let timer;
  let failures = 0;
  let isStopped = false;
  let isAsking = false;

  async function ask() {
    if (isStopped || isAsking || document.hidden) return;
    clearTimeout(timer);
    isAsking = true;
    let waitMs = EVERY_MS;
    try {
      await attempt();
      failures = 0;
    } catch (trouble) {
      failures++;
      const askedForMs = (trouble.retryAfterSeconds ?? 0) * 1000;
      waitMs = Math.min(Math.max(EVERY_MS * 2 ** (failures - 1), askedForMs), EVERY_MS_MAX);
      if (!isStopped && !onTrouble(trouble, waitMs)) stop();
    }
    isAsking = false;
    if (!isStopped) timer = setTimeout(() => void ask(), waitMs);
  }

  function stop() {
    isStopped = true;
    clearTimeout(timer);
    document.removeEventListener('visibilitychange', onVisible);
  }

  const onVisible = () => void ask();
  document.addEventListener('visibilitychange', onVisible);
  void ask();
  return { stop };
}
