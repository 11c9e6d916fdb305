import { invalidDefinition } from './definition-error.ts';
import type { Description } from './definition.ts';

/** What every definition may be given besides its own options. */
export interface DescriptionOptions {
  /** One line for people. */
  readonly description?: string;
  readonly tags?: Readonly<Record<string, string>>;
  /** Usually a mail address. */
  readonly owner?: string;
}

/**
 * Fills in what was left out.
 *
 * @throws SideboardError INVALID_DEFINITION when a tag is not text
 */
export function describe(subject: string, options: DescriptionOptions): Description {
  const tags = { ...options.tags };
  for (const [tag, value] of Object.entries(tags)) {
    if (typeof value === 'string' && !tag.startsWith('sideboard.')) continue;
    if (typeof value === 'string') {
      throw invalidDefinition(
        subject,
        `tag "${tag}" is one that apply sets`,
        'give it another name',
      );
    }
    throw invalidDefinition(subject, `tag "${tag}" is not text`, 'write its value in quotes');
  }
  return {
    description: options.description ?? '',
    tags: Object.freeze(tags),
    owner: options.owner ?? '',
  };
}
