/** One line of the report of `sideboard check`. */
export interface CheckFinding {
  readonly part:
    | 'configuration'
    | 'network'
    | 'registry'
    | 'access'
    | 'online store'
    | 'on-demand views'
    | 'traces';
  readonly level: 'ok' | 'warning' | 'error';
  readonly message: string;
  readonly remedy?: string;
}
