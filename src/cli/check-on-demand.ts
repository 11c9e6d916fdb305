import type { Config } from '../config/config.ts';
import type { RegistrySnapshot } from '../registry/registry-model.ts';
import { functionProblem } from '../transformation/function-problem.ts';
import type { CheckFinding } from './check-finding.ts';

const PROBE_TIMEOUT_MS = 3_000;

/** The mode that Feast's transformation server runs. */
const DELEGATED_MODE = 'pandas';

/**
 * Whether on-demand views can be computed: by the transformation server, where one is configured, and by the functions of
 * the feature repository. All else is served without, so at worst it is a warning.
 */
export async function checkOnDemand(
  config: Config,
  { views }: Pick<RegistrySnapshot, 'views'>,
): Promise<readonly CheckFinding[]> {
  const computed = [...views.values()].flatMap(({ name, onDemand }) =>
    onDemand === undefined || onDemand.writeToOnlineStore ? [] : [{ name, ...onDemand }],
  );
  const here = computed.filter(({ functionHash }) => functionHash !== undefined);
  const python = computed.filter(({ functionHash }) => functionHash === undefined);
  const findings = [
    ...(await checkEndpoint(config.transformationEndpoint)),
    ...refusedViews(python, config.transformationEndpoint),
    ...(await checkFunctions(config, here)),
  ];
  return findings.map((finding) => ({ part: 'on-demand views', ...finding }));
}

type PartFinding = Omit<CheckFinding, 'part'>;

async function checkEndpoint(endpoint: string | undefined): Promise<readonly PartFinding[]> {
  if (endpoint === undefined) return [];
  const { probeTransformation } = await import('../transformation/probe-transformation.ts');
  const probe = await probeTransformation(endpoint, PROBE_TIMEOUT_MS);
  if (probe.answers) {
    const details = probe.details === '' ? '' : `: ${probe.details}`;
    return [{ level: 'ok', message: `transformation server ${endpoint} answers${details}` }];
  }
  return [
    {
      level: 'warning',
      message: `transformation server ${endpoint}: ${probe.reason}; requests that need it are UNAVAILABLE`,
      remedy: 'start "feast serve_transformations", or correct transformation_service_endpoint',
    },
  ];
}

/** Those that nobody computes are answered with UNIMPLEMENTED. */
function refusedViews(
  python: readonly { readonly name: string; readonly mode: string }[],
  endpoint: string | undefined,
): readonly PartFinding[] {
  const refused = python.filter(({ mode }) => endpoint === undefined || mode !== DELEGATED_MODE);
  if (refused.length === 0) return [];
  const names = refused.map(({ name, mode }) => `${name} (mode ${mode})`).join(', ');
  return [
    {
      level: 'warning',
      message: `${names} cannot be computed here: requests for them are UNIMPLEMENTED`,
      remedy:
        'give them functions in TypeScript, or store their outputs (write_to_online_store); those of mode pandas are computed where feature_server.transformation_service_endpoint names "feast serve_transformations"',
    },
  ];
}

async function checkFunctions(
  { functions }: Config,
  here: readonly { readonly name: string; readonly functionHash?: string | undefined }[],
): Promise<readonly PartFinding[]> {
  if (here.length === 0) return [];
  const { findFunctions } = await import('../transformation/find-functions.ts');
  const found = await findFunctions(functions);
  if ('problem' in found) {
    const views = here.map(({ name }) => name).join(', ');
    return [
      {
        level: 'warning',
        message: `${found.problem}; requests for ${views} are UNAVAILABLE`,
      },
    ];
  }
  const problems = here.flatMap(({ name, functionHash }): PartFinding[] => {
    const problem = functionProblem(found.hashes, { viewName: name, functionHash, ...functions });
    return problem === undefined ? [] : [{ level: 'warning', message: `${name}: ${problem}` }];
  });
  if (problems.length > 0) return problems;
  return [
    {
      level: 'ok',
      message: `${functions.repoPath} has the function of ${here.map(({ name }) => name).join(', ')}`,
    },
  ];
}
