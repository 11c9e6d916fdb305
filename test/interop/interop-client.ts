import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** `Call` of clients/interop_call.proto, as JSON. */
export interface Call {
  readonly request: object;
  /** For the client in Go alone: another service, another method. */
  readonly service?: string;
  readonly method?: 'GetFeastServingInfo';
  readonly gzip?: boolean;
  readonly timeoutMs?: number;
  readonly cancelAfterMs?: number;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Base64. */
  readonly binaryMetadata?: Readonly<Record<string, string>>;
  readonly waitMs?: number;
  readonly parallel?: number;
  readonly repeatMs?: number;
}

/** `Outcome` of the same; what is zero or empty may be absent. */
export interface Outcome {
  readonly code: string;
  readonly message?: string;
  readonly response?: {
    readonly version?: string;
    readonly metadata?: { readonly featureNames: { readonly val: readonly string[] } };
    readonly results?: readonly { readonly values: readonly { readonly int64Val: string }[] }[];
  };
  readonly trailers?: Readonly<Record<string, string>>;
  readonly binaryTrailers?: Readonly<Record<string, string>>;
  readonly callCount: number;
  readonly failedCount?: number;
  readonly differentCount?: number;
}

/** A client of one language, which has one channel: a program that reads calls and prints outcomes, a line each. */
export class InteropClient {
  private readonly process: ChildProcess;
  private readonly lines: AsyncIterator<string>;
  private errors = '';

  constructor([program, ...args]: readonly string[], port: number) {
    this.process = spawn(program!, [...args, `127.0.0.1:${port}`]);
    this.process.stderr!.on('data', (chunk: Buffer) => (this.errors += chunk.toString()));
    this.lines = createInterface({ input: this.process.stdout! })[Symbol.asyncIterator]();
  }

  async ask(call: Call): Promise<Outcome> {
    this.process.stdin!.write(`${JSON.stringify(call)}\n`);
    const line = await this.lines.next();
    if (line.done === true) throw new Error(`the client ended: ${this.errors}`);
    return JSON.parse(line.value) as Outcome;
  }

  async close(): Promise<void> {
    if (this.process.exitCode !== null) return;
    const exited = once(this.process, 'exit');
    this.process.stdin!.end();
    await exited;
  }
}
