import type { Command } from 'commander';
import { settingFlags } from '../config/setting-flags.ts';

/** Feast's flags for the settings that it has. */
const FEAST: Readonly<Record<string, string>> = {
  host: '-h, ',
  port: '-p, ',
  workers: '-w, ',
  tls_cert_file: '--cert, ',
  tls_key_file: '--key, ',
};

/** Gives a command one flag per setting; `-h` is the host then, as in Feast, and help is `--help` alone. */
export function addSettingOptions(command: Command): Command {
  command.helpOption('--help', 'show what is possible');
  for (const { name, flags, description } of settingFlags()) {
    command.option(`${FEAST[name] ?? ''}${flags}`, description);
  }
  return command;
}
