/** TLS of the gRPC door: the same as every door's, which the library's own credentials do not let one say. */
import { ServerCredentials } from '@grpc/grpc-js';
import type { SecureServerOptions } from 'node:http2';
import { createSecureContext } from 'node:tls';
import type { Certificate } from '../../tls/certificate';
import { TLS_OPTIONS } from '../../tls/options';

export class DoorCredentials extends ServerCredentials {
  constructor(server: SecureServerOptions, { context }: Certificate) {
    super({ ...server, ...TLS_OPTIONS }, context);
  }

  /** Connections from now on see this one. @throws Error when it cannot be used; then nothing has changed */
  take({ context }: Certificate): void {
    // The library would close the door to everybody on a context that it cannot use.
    createSecureContext({ ...TLS_OPTIONS, ...context });
    this.updateSecureContextOptions({ ...TLS_OPTIONS, ...context });
  }

  override _equals(other: ServerCredentials): boolean {
    return other === this;
  }
}
