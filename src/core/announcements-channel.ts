/** The channel on which gateways tell each other of changes, which no caller may publish or subscribe to. */
export const ANNOUNCEMENTS_CHANNEL = 'ringcache:announcements';
