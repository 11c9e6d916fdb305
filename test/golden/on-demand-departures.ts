import { readVectors, sdkAnswer } from '../support/golden-vectors.ts';
import { refusal, type Departure } from './golden-case.ts';

/** Departures that show only where there is a transformation server. */
export const ON_DEMAND_DEPARTURES: readonly Departure[] = [
  {
    number: '12.20',
    point: 'request data in `request_context`',
    feast: 'its gRPC server ignores it, and fails for the lack of it',
    ours: 'what the SDK computes when it stands in `entities`',
    why: 'clients of the Go and Java servers send `request_context`',
    apply: (answer, { vector, variant, asked }) => {
      if (answer.kind !== 'refused' || !vector.note?.includes('gRPC with request_context')) {
        return undefined;
      }
      const [reference = ''] = asked.features;
      const sibling = readVectors(variant.scenario, variant.vectorsOf).find(
        ({ id, note, sdk, request }) =>
          id < vector.id &&
          note?.endsWith(', 4 rows') === true &&
          sdk?.ok === true &&
          request.features?.includes(reference) === true &&
          request.full_feature_names !== true,
      );
      const computed = sibling === undefined ? undefined : sdkAnswer(sibling);
      if (computed?.kind !== 'features') return undefined;
      const names = ['driver_id', ...asked.features.map((name) => name.split(':')[1])];
      return { ...computed, columns: computed.columns.filter(({ name }) => names.includes(name)) };
    },
  },
  {
    number: '12.14',
    point: 'functions of on-demand views that fail',
    feast: 'HTTP 500, gRPC UNKNOWN, with the text of the exception',
    ours: 'HTTP 500, gRPC INTERNAL, naming the view',
    why: 'the text of an exception may hold values',
    apply: (answer, { protocol }) =>
      answer.kind === 'refused' && answer.text.includes('udf failed on purpose')
        ? refusal(protocol, {
            grpc: 'INTERNAL',
            http: 500,
            says: /On-demand feature view failing: its function failed/,
          })
        : undefined,
  },
];
