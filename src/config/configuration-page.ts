import type { Setting } from './setting.ts';
import { SETTINGS, settingFlag, settingVariable } from './settings.ts';

/** The text of `docs/configuration.md`, made from the table of settings; a test compares the two. */
export function configurationPage(): string {
  const rows = SETTINGS.map((setting: Setting) => {
    const fallback = (setting.default ?? '') === '' ? '–' : `\`${String(setting.default)}\``;
    const unit = setting.unit === undefined ? '' : ` ${setting.unit}`;
    return `| \`${setting.name}\` | ${fallback}${unit} | ${escapePipes(setting.doc)} |`;
  });
  return `# Configuration

sideboard reads Feast's own \`feature_store.yaml\`: \`project\`, \`registry\`, \`online_store\`, \`entity_key_serialization_version\`
and the rest mean what they mean in Feast. What cannot be served is refused with the reason and the line. Where the file
is: \`-f PATH\`, else \`FEATURE_STORE_YAML_BASE64\` (the text itself, in base64), else \`FEAST_FS_YAML_FILE_PATH\`, else
\`feature_store.yaml\` in the folder that \`-c\` names. \`$NAME\` and \`\${NAME}\` in it are taken from the environment; names
that are not set stay as they are.

\`sideboard check\` validates everything without starting.

## Our own settings

They stand in one block, \`sideboard:\`. Each can also be given as a variable (\`${settingVariable('max_rows')}\`) or as a flag of
\`sideboard serve\` and \`check\` (\`${settingFlag('max_rows')}\`); a flag wins over a variable, a variable over the file. Sizes may be
written \`16MiB\`. Everything that a request may cost has its limit here; one that goes beyond is refused, naming the limit.

| setting | default | meaning |
|---|---|---|
${rows.join('\n')}
`;
}

function escapePipes(text: string): string {
  return text.replaceAll('|', '\\|');
}
