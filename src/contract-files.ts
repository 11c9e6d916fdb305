import { file_feast_serving_GrpcServer } from '../gen/feast/serving/GrpcServer_pb.ts';
import { file_feast_serving_ServingService } from '../gen/feast/serving/ServingService_pb.ts';
import { file_grpc_health_v1_health } from '../gen/grpc/health/v1/health_pb.ts';
import { file_sideboard_v1_ingest } from '../gen/sideboard/v1/ingest_pb.ts';
import { file_xds_service_orca_v3_orca } from '../gen/xds/service/orca/v3/orca_pb.ts';

/** The files of `proto/` that the served methods are in, for reflection. */
export const CONTRACT_FILES = [
  file_feast_serving_ServingService,
  file_feast_serving_GrpcServer,
  file_grpc_health_v1_health,
  file_sideboard_v1_ingest,
  file_xds_service_orca_v3_orca,
];
