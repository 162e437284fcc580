/**
 * How late the event loop is, over the last 10 to 20 seconds. A monitor that each reader resets would show each of
 * several readers a part only, and one that is never reset forgets nothing. So two monitors run and are reset in turn,
 * by the clock: what is read comes from the one that has run for longer.
 *
 *         0 s        10 s        20 s        30 s
 *     a   ├───────────┼───────────┤ reset     ├ …
 *     b   ├───────────┤ reset     ┼───────────┤ reset
 *     read      a           a           b           a
 */
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import type { EventLoopDelay } from '../core/ports';
import type { Closable } from '../lib/closers';

/** Every scrape interval up to this sees each stall at least once. */
const WINDOW_MS = 10_000;
/** Between two looks of a monitor, in milliseconds. */
const RESOLUTION_MS = 10;
const NS_PER_MS = 1e6;

export interface EventLoopMonitor extends Closable {
  read(): EventLoopDelay;
  close(): void;
}

/** Monitors until it is closed; keeps no process alive. */
export function openEventLoopMonitor(windowMs = WINDOW_MS): EventLoopMonitor {
  let [older, newer] = [openHistogram(), openHistogram()];
  const timer = setInterval(() => {
    older.reset();
    [older, newer] = [newer, older];
  }, windowMs);
  timer.unref();
  return {
    read: () => ({
      p50: delayMs(older.percentile(50)),
      p99: delayMs(older.percentile(99)),
      max: delayMs(older.max),
    }),
    close() {
      clearInterval(timer);
      older.disable();
      newer.disable();
    },
  };
}

function openHistogram(): IntervalHistogram {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  return histogram;
}

/** Node records the time from one look to the next: what is beyond the resolution is delay. */
function delayMs(ns: number): number {
  return Math.max(0, ns - RESOLUTION_MS * NS_PER_MS) / NS_PER_MS;
}
