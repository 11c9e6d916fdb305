import { styleText } from 'node:util';
import type { FieldChange } from '../definitions/message-diff.ts';
import type { ObjectChange } from '../definitions/change-registry.ts';
import type { ApplyReport } from './apply-feature-repository.ts';

const SIGNS = { create: '+', update: '~', delete: '-' } as const;
const COLORS = { create: 'green', update: 'yellow', delete: 'red' } as const;

/** Longest text of a value that a plan shows. */
const MAX_VALUE_LENGTH = 60;

/** Says for people what an apply changes or changed: one line per object, one more for each field of an update. */
export function formatPlan(report: ApplyReport): string {
  const { changes, project, registryFile } = report;
  const lines = [`Project ${project}, registry ${registryFile}`, ''];
  const kindWidth = Math.max(0, ...changes.map(({ kind }) => kind.length));
  for (const change of changes) lines.push(...formatChange(change, kindWidth));
  if (changes.length > 0) lines.push('');
  for (const { kind, name } of report.kept) {
    lines.push(`  = ${spaced(kind)} ${name} stays: it is defined in Python, or needed by what is`);
  }
  if (report.kept.length > 0) lines.push('');
  for (const warning of report.warnings) lines.push(`  ! ${warning}`);
  if (report.warnings.length > 0) lines.push('');
  lines.push(summary(report));
  return `${lines.join('\n')}\n`;
}

function formatChange(change: ObjectChange, kindWidth: number): readonly string[] {
  const sign = styleText(COLORS[change.action], SIGNS[change.action], { stream: process.stdout });
  const head = `  ${sign} ${spaced(change.kind).padEnd(kindWidth)}  ${change.name}`;
  const width = Math.max(0, ...change.fields.map(({ field }) => field.length));
  return [head, ...change.fields.map((field) => `      ${formatField(field, width)}`)];
}

function formatField({ field, before, after }: FieldChange, width: number): string {
  return `${field.padEnd(width)}  ${shorten(before)} -> ${shorten(after)}`;
}

function shorten(text: string | undefined): string {
  if (text === undefined) return '(none)';
  const line = text.replaceAll(/\s+/g, ' ');
  return line.length <= MAX_VALUE_LENGTH ? line : `${line.slice(0, MAX_VALUE_LENGTH - 1)}…`;
}

function spaced(kind: string): string {
  return kind.replaceAll('_', ' ');
}

function summary({ changes, applied }: ApplyReport): string {
  if (changes.length === 0) return 'Nothing to change: the registry already says all this.';
  const count = (action: ObjectChange['action']): number =>
    changes.filter((change) => change.action === action).length;
  const counts = `${count('create')} created, ${count('update')} updated, ${count('delete')} deleted`;
  return applied ? `Applied: ${counts}.` : `Plan: ${counts}. Run \`apply\` to do it.`;
}
