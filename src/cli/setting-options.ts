import type { Command } from 'commander';
import { settingFlags } from '../config/setting-flags.ts';

/** Feast's short flags for the two settings that it has. */
const SHORT: Readonly<Record<string, string>> = { host: '-h, ', port: '-p, ' };

/** Gives a command one flag per setting; `-h` is the host then, as in Feast, and help is `--help` alone. */
export function addSettingOptions(command: Command): Command {
  command.helpOption('--help', 'show what is possible');
  for (const { name, flags, description } of settingFlags()) {
    command.option(`${SHORT[name] ?? ''}${flags}`, description);
  }
  return command;
}
