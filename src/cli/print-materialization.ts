import Table from 'cli-table3';
import { describeBadRows } from '../ingestion/bad-rows.ts';
import type { IngestedView } from '../ingestion/ingest-view.ts';
import { formatMoment } from '../ingestion/materialization-window.ts';
import type { MaterializeResult } from '../ingestion/materialize.ts';
import { formatCount } from './materialization-progress.ts';

/** A run for people: one line per view, then the bad rows and the views that were left out. */
export function formatMaterialization(result: MaterializeResult): string {
  const lines: string[] = [];
  if (result.views.length > 0) {
    const table = new Table({
      head: [
        'feature view',
        'from',
        'to',
        'rows read',
        'written',
        'stale',
        'bad',
        'seconds',
        'rows/s',
      ],
      style: { head: [], border: [] },
      colAligns: ['left', 'left', 'left', 'right', 'right', 'right', 'right', 'right', 'right'],
    });
    table.push(...result.views.map(tableRow));
    lines.push(table.toString());
  }
  for (const view of result.views) {
    for (const bad of view.badRows) {
      lines.push(`! ${view.viewName}: ${describeBadRows(bad)}`);
    }
  }
  for (const { viewName, reason } of result.skipped) {
    lines.push(`- ${viewName}: skipped, ${reason}`);
  }
  if (lines.length === 0) {
    lines.push('There is no feature view to materialize.');
  }
  return `${lines.join('\n')}\n`;
}

/** A run for programs. */
export function materializationJson(result: MaterializeResult): unknown {
  return {
    views: result.views.map((view) => ({
      feature_view: view.viewName,
      start: formatMoment(view.window.startNs),
      end: formatMoment(view.window.endNs),
      source_rows: view.sourceRowCount,
      rows_in_window: view.windowRowCount,
      entities_written: view.writtenCount,
      stale_skipped: view.staleCount,
      bad_rows: view.badRowCount,
      bad: view.badRows.map(({ kind, feature, count, first }) => ({ kind, feature, count, first })),
      duration_ms: Math.round(view.durationMs),
    })),
    skipped: result.skipped.map(({ viewName, reason }) => ({ feature_view: viewName, reason })),
  };
}

function tableRow(view: IngestedView): string[] {
  const seconds = view.durationMs / 1000;
  return [
    view.viewName,
    formatMoment(view.window.startNs),
    formatMoment(view.window.endNs),
    formatCount(view.windowRowCount),
    formatCount(view.writtenCount),
    formatCount(view.staleCount),
    formatCount(view.badRowCount),
    seconds.toFixed(1),
    formatCount(view.windowRowCount / Math.max(seconds, 0.001)),
  ];
}
