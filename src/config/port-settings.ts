import { choice, count, milliseconds, port, type Setting } from './setting.ts';

/** Where the server listens, and who may connect. */
export const PORT_SETTINGS = [
  {
    name: 'host',
    kind: { type: 'text' },
    default: '127.0.0.1',
    doc: 'Address that the server listens on. `0.0.0.0` or `::` for every interface, as in a container.',
  },
  {
    name: 'port',
    kind: port,
    default: 6566,
    doc: 'Port of every protocol: gRPC, Connect, gRPC-Web and JSON. 0 takes any free port.',
  },
  {
    name: 'workers',
    kind: { type: 'workers' },
    default: 1,
    doc: 'Processes that answer requests, each on a core of its own; `auto` (or -1, as in Feast) is one per core. With more than one, a supervisor starts again what ends, and has the admin port. SIGHUP replaces them one by one, without refusing a connection, and reads the configuration again; any number of them meanwhile make one more replacement.',
  },
  {
    name: 'port_sharing',
    kind: choice('handover', 'reuse_port'),
    default: 'handover',
    doc: 'How several workers share the port. `handover`: the supervisor accepts and gives each connection to the worker that has the fewest, and none is lost when a worker ends. `reuse_port`: the system deals them out (SO_REUSEPORT), which takes more new connections per second, deals unevenly, and resets those that wait for a worker that ends.',
  },
  {
    name: 'max_connections',
    kind: count(),
    default: 10_000,
    unit: 'connections',
    doc: 'Connections that are open at once, over the port and the unix socket together, whatever they speak. One more is accepted and closed at once. Each of several workers has an equal share, rounded up; with `port_sharing: reuse_port`, which deals unevenly, one may be full before the others are. Connections of workers that SIGHUP replaces do not count while they end.',
  },
  {
    name: 'admin_host',
    kind: { type: 'text' },
    default: '127.0.0.1',
    doc: 'Address of the admin server (metrics and probes). It has no TLS and asks for no certificate: keep it on loopback or on a network of your own.',
  },
  {
    name: 'admin_port',
    kind: port,
    default: 6567,
    doc: 'Port of the admin server: `/metrics`, `/healthz`, `/readyz`. 0 takes any free port.',
  },
  {
    name: 'unix_socket',
    kind: { type: 'file' },
    default: undefined,
    doc: 'Path of a unix socket that speaks the same protocols as the port, in plain text; 107 bytes at most, with its folders.',
  },
  {
    name: 'unix_socket_mode',
    kind: { type: 'file_mode' },
    default: '0600',
    doc: 'Permissions of the unix socket, octal: who may write to the file may connect. `0660` lets its group in.',
  },
  {
    name: 'tls_cert_file',
    kind: { type: 'file' },
    default: undefined,
    doc: "PEM file of the port's certificate and those between it and its authority. Turns TLS on; needs the key file too. Feast's `--cert`.",
  },
  {
    name: 'tls_key_file',
    kind: { type: 'file' },
    default: undefined,
    doc: "PEM file of the certificate's private key, without a passphrase. Feast's `--key`.",
  },
  {
    name: 'tls_client_ca_file',
    kind: { type: 'file' },
    default: undefined,
    doc: 'PEM file of the authorities whose certificates clients must have (mutual TLS). Without it clients need none.',
  },
  {
    name: 'cors_origins',
    kind: { type: 'list' },
    default: '',
    doc: 'Origins whose pages may call the JSON routes, Connect and gRPC-Web from a browser, such as `https://shop.example`, separated by commas; `*` is all of them. Empty is none. Browsers never call port 6566, one of those that their `fetch` refuses: give their pages another `port`, or a proxy.',
  },
  {
    name: 'tls_client_names',
    kind: { type: 'list' },
    default: '',
    doc: 'Subject alternative names, one of which the certificate of a client must have, separated by commas: DNS names, URIs (`spiffe://…`, `urn:…`), IP or e-mail addresses, compared whole. Empty lets in every client of `tls_client_ca_file`.',
  },
  {
    name: 'tls_min_version',
    kind: choice('TLSv1.2', 'TLSv1.3'),
    default: 'TLSv1.2',
    doc: 'The oldest version of TLS that the port speaks.',
  },
  {
    name: 'tls_poll_ms',
    kind: milliseconds(0),
    default: 10_000,
    unit: 'ms',
    doc: 'How often the certificate files are looked at for a change (a `stat`); SIGHUP does it at once. Connections that are open stay. 0 leaves it to SIGHUP.',
  },
] as const satisfies readonly Setting[];
