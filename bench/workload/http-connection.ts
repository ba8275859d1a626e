// One kept-alive HTTP/1.1 connection that sends prepared bytes and reads answers with a Content-Length: what a load
// generator needs of a client and no more, at a few microseconds a request.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface HttpAnswer {
  readonly status: number;
  readonly body: Buffer;
}

const HEADER_END = '\r\n\r\n';

export class HttpConnection {
  private readonly socket: Socket;
  private received: Buffer = Buffer.alloc(0);
  private waiting: { resolve: (answer: HttpAnswer) => void; reject: (error: Error) => void } | null = null;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.receive(chunk));
    socket.on('error', (error) => this.fail(error));
    socket.on('close', () => this.fail(new Error('the connection was closed before its answer')));
  }

  static async open(url: string): Promise<HttpConnection> {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    return new HttpConnection(socket);
  }

  /** One request at a time. `head` ends with its blank line. */
  send(head: string | Buffer, body?: Buffer): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
      if (body === undefined) {
        this.socket.write(head);
        return;
      }
      this.socket.cork();
      this.socket.write(head);
      this.socket.write(body);
      this.socket.uncork();
    });
  }

  close(): void {
    this.socket.destroy();
  }

  private fail(error: Error): void {
    const { waiting } = this;
    this.waiting = null;
    waiting?.reject(error);
  }

  private receive(chunk: Buffer): void {
    this.received = this.received.length === 0 ? chunk : Buffer.concat([this.received, chunk]);
    const headerEnd = this.received.indexOf(HEADER_END);
    if (headerEnd === -1) return;
    const header = this.received.toString('latin1', 0, headerEnd);
    const length = /\r\ncontent-length: *(\d+)/i.exec(header)?.[1];
    if (length === undefined) {
      this.fail(new Error(`an answer without a Content-Length: ${header}`));
      return;
    }
    const end = headerEnd + HEADER_END.length + Number(length);
    if (this.received.length < end) return;
    const { waiting } = this;
    const answer = {
      status: Number(header.slice(9, 12)),
      body: this.received.subarray(headerEnd + HEADER_END.length, end),
    };
    this.received = this.received.subarray(end);
    this.waiting = null;
    waiting?.resolve(answer);
  }
}
