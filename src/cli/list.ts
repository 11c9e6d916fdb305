import Table from 'cli-table3';
import type { Command } from 'commander';
import { valueTypeName } from '../feast-encoding/value-type.ts';
import type { RegistrySnapshot } from '../registry/registry-model.ts';
import { cliConfig, printJson } from './context.ts';
import { readSnapshot } from './read-snapshot.ts';

/** One of the listings: which objects, and how each is shown. */
interface Listing {
  readonly command: string;
  readonly summary: string;
  readonly head: readonly string[];
  /** One flat object per line, for programs; its values in the order of `head`, for people. */
  readonly rows: (snapshot: RegistrySnapshot) => readonly Readonly<Record<string, unknown>>[];
}

const LISTINGS: readonly Listing[] = [
  {
    command: 'entities',
    summary: 'list the entities of the registry',
    head: ['NAME', 'JOIN KEY', 'TYPE'],
    rows: (snapshot) =>
      [...snapshot.entities.values()]
        .filter(({ name }) => name !== '__dummy')
        .map(({ name, joinKey, valueType }) => ({ name, joinKey, type: valueTypeName(valueType) })),
  },
  {
    command: 'feature-views',
    summary: 'list the feature views of the registry, of all kinds',
    head: ['NAME', 'ENTITIES', 'TYPE', 'FEATURES', 'TTL (S)', 'ONLINE'],
    rows: (snapshot) =>
      [...snapshot.views.values()].map((view) => ({
        name: view.name,
        entities: view.entityNames.filter((name) => name !== '__dummy'),
        type: view.kind,
        features: view.features.map(({ name }) => name),
        ttlSeconds: view.ttlSeconds,
        online: view.online,
      })),
  },
  {
    command: 'feature-services',
    summary: 'list the feature services of the registry',
    head: ['NAME', 'FEATURES'],
    rows: (snapshot) =>
      [...snapshot.featureServices.values()].map((service) => ({
        name: service.name,
        features: service.projections.flatMap(({ viewName, alias, featureNames }) =>
          featureNames.map((feature) => `${alias === '' ? viewName : alias}:${feature}`),
        ),
      })),
  },
];

/** `sideboard entities|feature-views|feature-services list`. */
export function registerList(program: Command): void {
  for (const listing of LISTINGS) {
    program
      .command(listing.command)
      .summary(listing.summary)
      .command('list')
      .description(`${capitalize(listing.summary)}, for the project of the configuration.`)
      .option('--json', 'print a JSON array')
      .addHelpText(
        'after',
        '\nExit codes: 0 listed; 1 the registry cannot be read; 2 the configuration is wrong.',
      )
      .action(async (options: { json?: boolean }, command: Command) => {
        const config = cliConfig(command);
        const rows = listing.rows(await readSnapshot(config));
        if (rows.length === 0) {
          process.stderr.write(
            `sideboard: the registry has no ${listing.command.replace('-', ' ')} of project ${config.project}: is that its name? "sideboard apply" or "feast apply" defines them\n`,
          );
        }
        if (options.json === true) printJson(rows);
        else process.stdout.write(formatTable(listing.head, rows));
      });
  }
}

function capitalize(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function formatTable(
  head: readonly string[],
  rows: readonly Readonly<Record<string, unknown>>[],
): string {
  const table = new Table({
    head: [...head],
    style: { head: [], border: [], compact: true, 'padding-left': 0, 'padding-right': 2 },
    chars: NO_LINES,
  });
  for (const row of rows) table.push(Object.values(row).map(toText));
  return `${table.toString().replaceAll(/ +$/gm, '')}\n`;
}

/** Features go one per line where there are many. */
function toText(value: unknown): string {
  return Array.isArray(value) ? value.join(value.length > 4 ? '\n' : ', ') : String(value);
}

const NO_LINES = Object.fromEntries(
  [
    'top',
    'top-mid',
    'top-left',
    'top-right',
    'bottom',
    'bottom-mid',
    'bottom-left',
    'bottom-right',
    'left',
    'left-mid',
    'mid',
    'mid-mid',
    'right',
    'right-mid',
    'middle',
  ].map((place) => [place, '']),
);
