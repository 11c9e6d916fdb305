import { Option, type Command } from 'commander';
import { settingOverrides } from '../config/setting-flags.ts';
import { cliConfig } from './context.ts';
import { addSettingOptions } from './setting-options.ts';

/** `sideboard serve`: in this process, or in as many as `workers` says. */
export function registerServe(program: Command): void {
  const command = program
    .command('serve')
    .description('answers feature requests: gRPC, Connect, gRPC-Web and JSON on one port');
  addSettingOptions(command).addHelpText(
    'after',
    `
Exit codes: 0 stopped by SIGTERM or SIGINT, all that had arrived answered; 1 the registry or the store keeps it from starting,
or a second signal ended it; 2 the configuration is wrong.`,
  );
  // What a supervisor starts its workers with.
  command.addOption(new Option('--worker').hideHelp());
  command.action(async ({ worker }: { worker?: boolean }) => {
    const load = () => cliConfig(command, settingOverrides(command.opts()));
    const config = load();
    if (worker === true) {
      const { serveAsWorker } = await import('./serve-as-worker.ts');
      await serveAsWorker(config);
    } else if (config.server.workers > 1) {
      const { serveWithWorkers } = await import('./serve-with-workers.ts');
      await serveWithWorkers(load);
    } else {
      const { serveAlone } = await import('./serve-alone.ts');
      await serveAlone(config);
    }
  });
}
