/**
 * What the supervisor and its workers say to each other. Both are this program, of one build and on one machine, so
 * nothing of it is checked. Settings are in it, secrets included; keys, values and tokens never are.
 */
import type { SnapshotResult } from '../core/ports';
import type { MetricSamples } from '../telemetry/combined-metrics';
import type { ThrottleNews } from '../auth/login-throttle';
import type { Report, WholeReport } from '../core/whole-report';

export interface Ports {
  readonly port: number;
  /** undefined: that door is closed. */
  readonly respPort: number | undefined;
  readonly grpcPort: number | undefined;
}

/** The first thing that a worker hears. */
export interface Begin {
  readonly kind: 'begin';
  /** From 1. One that takes the place of another has its number. */
  readonly number: number;
  /** What the settings were when the supervisor started: a file that changed since must not divide the workers. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** In place of the settings' own, which may be 0; undefined: those. */
  readonly ports: Ports | undefined;
}

/** What a worker can be asked for, and what it answers. */
export interface WorkerAnswers {
  metrics: MetricSamples;
  report: Report;
  /** Saves one; the first worker alone is asked. */
  snapshot: SnapshotResult;
}

/** What the supervisor can be asked for: the same of all workers together. */
export interface WholeAnswers {
  metrics: string;
  report: WholeReport;
  snapshot: SnapshotResult;
}

export type Exchanged =
  | { readonly kind: 'question'; readonly id: number; readonly about: keyof WorkerAnswers }
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  /** `message` is safe to show. */
  | { readonly kind: 'refusal'; readonly id: number; readonly message: string };

export interface News {
  readonly kind: 'news';
  readonly news: ThrottleNews;
}

export type ToWorker = Begin | { readonly kind: 'stop' } | News | Exchanged;

export type ToSupervisor =
  | { readonly kind: 'serving'; readonly ports: Ports }
  /** The start failed; what to tell whoever started all this. */
  | { readonly kind: 'failed'; readonly reason: string }
  | News
  | Exchanged;
