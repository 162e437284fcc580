/** Hand-written histories for the tests of the history checker: one line per operation, with what matters in it. */
import type { FinalRead, History, Operation } from '../torture/history';

export const KEY = 'k';

type Extra = Partial<Operation>;

function operation(callMs: number, returnMs: number, fields: Extra): Operation {
  return {
    ...{
      process: 'p',
      gateway: 'one',
      key: KEY,
      op: 'READ',
      consistency: 'eventual',
      ack: 0,
      callMs,
      returnMs,
    },
    ...{ outcome: returnMs === Infinity ? 'unknown' : 'ok' },
    ...fields,
  };
}

/** Returned at `Infinity`: the outcome is unknown. */
export function write(value: string, callMs: number, returnMs: number, extra: Extra = {}): Operation {
  return operation(callMs, returnMs, { op: 'WRITE', value, ...extra });
}

export function remove(callMs: number, returnMs: number, extra: Extra = {}): Operation {
  return operation(callMs, returnMs, { op: 'DELETE', ...extra });
}

/** Of undefined: it found nothing. */
export function read(
  value: string | undefined,
  callMs: number,
  returnMs: number,
  extra: Extra = {},
): Operation {
  return operation(callMs, returnMs, { value, outcome: value === undefined ? 'not_found' : 'ok', ...extra });
}

export function strong(
  value: string | undefined,
  callMs: number,
  returnMs: number,
  extra: Extra = {},
): Operation {
  return read(value, callMs, returnMs, { consistency: 'strong', ...extra });
}

export function final(gateway: string, value: string | undefined): FinalRead {
  return { gateway, key: KEY, value };
}

export function history(operations: readonly Operation[], rest: Partial<History> = {}): History {
  return { operations, marks: [], sweep: [], applied: [], ...rest };
}
