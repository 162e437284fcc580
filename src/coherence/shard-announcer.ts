/** How one shard tells other gateways of changes, and hears of theirs, where Redis itself does not carry the news. */
import type { Key } from '../core/command';
import type { Changes } from './announcement';
import type { AnnouncementWaiter } from './outbox';

export interface ShardAnnouncer {
  /** False: what is changed now could not be announced, so nothing may be changed. */
  readonly isOpen: boolean;
  /** These were changed; `waiter` hears when every near hit elsewhere is one second from showing it at most. */
  announce(changes: Omit<Changes, 'shard'>, waiter: AnnouncementWaiter): void;
  /** These may have been changed, or may be still. */
  doubt(keys: readonly Key[] | 'everything'): void;
  close(): void;
}

/** Told of what others have changed on the shard, in the order and the turn in which the news arrives. */
export type ChangeListener = (changes: Changes) => void;
