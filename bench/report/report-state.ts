import { figure, markdownTable, percent, spreadText } from './markdown.ts';
import type { ReloadRun } from '../parts/registry-reload.ts';
import type { Parts } from './results.ts';
import { spreadOf } from './spread.ts';

/** Latency with a registry that stays and one that changes. */
export function registryTable(rounds: Parts['registry']): string {
  const row = (
    name: string,
    pick: (round: Parts['registry'][number]) => ReloadRun | undefined,
  ): string[][] => {
    const runs = rounds.flatMap((round) => pick(round) ?? []);
    if (runs.length === 0) return [];
    const cpu = runs.flatMap(({ cpuMsPerSecond }) => cpuMsPerSecond ?? []);
    return [
      [
        name,
        spreadText(spreadOf(runs.map(({ p50Ms }) => p50Ms))),
        spreadText(spreadOf(runs.map(({ p99Ms }) => p99Ms))),
        spreadText(spreadOf(runs.map(({ maxMs }) => maxMs))),
        cpu.length === 0 ? '–' : spreadText(spreadOf(cpu)),
        runs.map(({ refused }) => String(refused)).join(', '),
      ],
    ];
  };
  const reloads = rounds.map((round) => round.reloads);
  const table = markdownTable(
    ['registry', 'p50 ms', 'p99 ms', 'slowest ms', 'CPU ms/s', 'refused'],
    [
      ...row('left alone', ({ still }) => still),
      ...row('rewritten every second, all views changed', ({ reloading }) => reloading),
      ...row('rewritten every second, one view changed', ({ touched }) => touched),
    ],
  );
  const { views = 0, ratePerSecond = 0 } = rounds[0] ?? {};
  return `${table}\n\n1x50, ${ratePerSecond} requests/s by the clock, ${figure(views)} views of 10 features; reloads that the server took while all views changed: ${reloads.join(', ')}. The server reads, checks and indexes the new registry on the one thread that answers, in slices; all its threads share one core.`;
}

/** What a server does with more than it can answer. */
export function overloadTables(figures: Parts['overload']): string {
  return figures
    .map(
      ({ scenario, capacityPerSecond, cpuUsPerAnswer, byTheClockPerSecond, settings, steps }) => {
        const table = markdownTable(
          [
            'load',
            'sent, of capacity',
            'answered, of capacity',
            'refused /s',
            'p50 ms',
            'p99 ms',
            'p99 since sent, ms',
            'in the server',
            'in the first half second',
            'RSS MiB',
            'server, of the core',
            'Redis, of the core',
            'Redis waited for it',
            'client, of its core',
            'its CPU us per refusal',
            'client late p99 ms',
          ],
          steps.map((step) => [
            `${step.factor} x`,
            percent(step.sentPerSecond / capacityPerSecond),
            percent(step.answeredPerSecond / capacityPerSecond),
            figure(step.refusedPerSecond),
            figure(step.p50Ms),
            figure(step.p99Ms),
            step.sentP99Ms === undefined ? '–' : figure(step.sentP99Ms),
            step.servedP99Ms === undefined ? '–' : figure(step.servedP99Ms),
            step.firstServedP99Ms === undefined ? '–' : figure(step.firstServedP99Ms),
            figure(step.rssMiB),
            step.busyShare === undefined ? '–' : percent(step.busyShare),
            step.redisShare === undefined ? '–' : percent(step.redisShare),
            step.redisWaitShare === undefined ? '–' : percent(step.redisWaitShare),
            step.clientShare === undefined ? '–' : percent(step.clientShare),
            step.cpuUsPerRefusal === undefined ? '–' : figure(step.cpuUsPerRefusal),
            step.lateP99Ms === undefined ? '–' : figure(step.lateP99Ms),
          ]),
        );
        const failed = steps.reduce((sum, step) => sum + step.failed, 0);
        const cost =
          cpuUsPerAnswer === undefined ? '' : `, ${figure(cpuUsPerAnswer)} us of CPU each`;
        const byTheClock =
          byTheClockPerSecond === undefined
            ? ''
            : ` of 32 callers who wait for their answers; ${figure(byTheClockPerSecond)} (${percent(byTheClockPerSecond / capacityPerSecond)}) when 1.2 times as many come one by one, which leaves the server less to do at once`;
        const strict = settings ?? 'admission_latency_ms: 0, admission_min_requests: 2';
        return `### ${scenario}\n\nCapacity ${figure(capacityPerSecond)} requests/s${cost}${byTheClock}. Server and Redis share one core, the client has the other. Sent by the clock, or as fast as the client can; \`${strict}\`. p50 and p99 are from when a call was due, the client's own lateness included; in the server from the head of a request to the end of its answer, its wait included, by buckets. The first half second of each step has a column of its own and is left out of the others. Neither answered nor refused: ${failed}.\n\n${table}`;
      },
    )
    .join('\n\n');
}

/** Times of new processes. */
export function coldTable(starts: Parts['cold']): string {
  const row = (name: string, figures: readonly number[]): string[] => [
    name,
    spreadText(spreadOf(figures)),
  ];
  return markdownTable(
    [`of ${starts.length} processes`, 'ms'],
    [
      row(
        'from the start of the process until it serves',
        starts.map((each) => each.startMs),
      ),
      row(
        'first request, 1x50',
        starts.map((each) => each.firstRequestMs),
      ),
      row(
        'second request, other entities',
        starts.map((each) => each.secondRequestMs),
      ),
    ],
  );
}

/** Resident memory in its stages. */
export function memoryTable(memory: Parts['memory']): string {
  return markdownTable(
    [`${figure(memory.views)} views of 10 features`, 'RSS MiB'],
    [
      ['serving, nothing asked yet', figure(memory.atStartMiB)],
      [
        `after ${memory.selections} different selections of 50 features`,
        figure(memory.afterPlansMiB),
      ],
      ['after saturation by 1x50', figure(memory.afterLoadMiB)],
    ],
  );
}

/** The server over a long run. */
export function soakTable({ samples }: Parts['soak']): string {
  return markdownTable(
    [
      'requests (1x10)',
      'RSS MiB',
      'heap used MiB',
      'to old space, bytes each',
      'handles',
      'open files',
    ],
    samples.map((sample) => [
      sample.requests.toLocaleString('en'),
      figure(sample.rssMiB),
      figure(sample.heapUsedMiB),
      sample.promotedBytes === undefined ? '–' : figure(sample.promotedBytes),
      String(sample.activeHandles),
      String(sample.openFiles),
    ]),
  );
}

/** Functions and parts of the program by their own share of the time. */
export function profileTables(profiles: Parts['profile']): string {
  return profiles
    .map(({ scenario, busySeconds, parts, functions }) => {
      const byPart = markdownTable(
        ['part', 'share of busy time'],
        parts.filter(({ share }) => share >= 0.01).map(({ part, share }) => [part, percent(share)]),
      );
      const byFunction = markdownTable(
        ['function', 'where', 'self time'],
        functions.map(({ name, place, share }) => [`\`${name}\``, `\`${place}\``, percent(share)]),
      );
      return `### ${scenario}\n\n${figure(busySeconds)} busy seconds under V8's sampling profiler, start and warm-up included; self time only.\n\n${byPart}\n\n${byFunction}`;
    })
    .join('\n\n');
}
