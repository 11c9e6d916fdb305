import type { RunningServer } from '../../../src/server.ts';

/**
 * Commands to try while the server is up, ready to be pasted.
 *
 * @param configFile `undefined` = the `feature_store.yaml` of the example
 */
export function nextCommands(
  server: RunningServer,
  configFile: string | undefined,
  applicant: string,
): string {
  const { port } = server.address;
  const json = `{"feature_service":"loan_decision","entities":{"zipcode":[94109],"dob_ssn":["${applicant}"]}}`;
  const rpc = `{"featureService":"loan_decision","entities":{"zipcode":{"val":[{"int64Val":"94109"}]},"dob_ssn":{"val":[{"stringVal":"${applicant}"}]}}}`;
  const repository = `-c examples/loan-approval${configFile === undefined ? '' : ` -f ${configFile}`}`;
  return `
Next, in another terminal:

  # Ask from the shell
  npx sideboard get --server http://localhost:${port} --feature-service loan_decision zipcode=94109 dob_ssn=${applicant}

  # Computed on demand: amount comes with the request
  npx sideboard get --server http://localhost:${port} --feature-service loan_terms zipcode=94109 dob_ssn=${applicant} amount=250000

  # Feast's JSON, as Feast's own server answers it
  curl -s localhost:${port}/get-online-features -H 'content-type: application/json' -d '${json}'

  # Connect: the gRPC method as plain JSON
  curl -s localhost:${port}/feast.serving.ServingService/GetOnlineFeatures -H 'content-type: application/json' -d '${rpc}'

  # gRPC; reflection tells grpcurl the protos
  grpcurl -plaintext -d '${rpc}' localhost:${port} feast.serving.ServingService/GetOnlineFeatures

  # What is defined, what is stored, how it went
  npx sideboard ${repository} feature-views list
  npx sideboard ${repository} inspect zipcode_features zipcode=94109 --values
  curl -s localhost:${server.adminAddress.port}/metrics

  # Change examples/loan-approval/features.ts, and see what apply would do
  npx sideboard ${repository} plan
`;
}
