"""Reads every row of the loan-approval tables twice and compares: with the SDK's own store, and from a server by gRPC.

usage: compare_tables.py REPO ADDRESS ZIPCODES_PARQUET CREDIT_CSV

Prints {"rows": .., "values": .., "present": .., "against_source": .., "differences": [first ten]} per view as JSON.
"""

import json
import sys

import grpc
import pyarrow.csv
import pyarrow.parquet
from feast import FeatureStore
from feast.protos.feast.serving import GrpcServer_pb2_grpc, ServingService_pb2
from feast.protos.feast.types.Value_pb2 import Value

BATCH = 1000
PRESENT = 1

repo, address, zipcodes, credit = sys.argv[1:]
store = FeatureStore(repo_path=repo)
channel = grpc.insecure_channel(address, options=[("grpc.max_receive_message_length", 1 << 28)])
stub = GrpcServer_pb2_grpc.GrpcFeatureServerStub(channel)
TABLES = {
    ("zipcode_features", "zipcode", "int64_val"): pyarrow.parquet.read_table(zipcodes),
    ("credit_history", "dob_ssn", "string_val"): pyarrow.csv.read_csv(credit),
}


def compare(view, join_key, kind, table):
    names = [field.name for field in store.get_feature_view(view).features]
    references = [f"{view}:{name}" for name in names]
    rows = table.to_pylist()
    result = {"rows": len(rows), "values": 0, "present": 0, "against_source": 0, "differences": []}

    def differ(*what):
        if len(result["differences"]) < 10:
            result["differences"].append(" ".join(str(part) for part in what))

    for start in range(0, len(rows), BATCH):
        part = rows[start : start + BATCH]
        keys = [row[join_key] for row in part]
        by_sdk = store.get_online_features(features=references, entity_rows=[{join_key: key} for key in keys]).proto
        request = ServingService_pb2.GetOnlineFeaturesRequest()
        request.features.val.extend(references)
        request.entities[join_key].val.extend(Value(**{kind: key}) for key in keys)
        by_server = stub.GetOnlineFeatures(request, timeout=60)
        sdk = dict(zip(by_sdk.metadata.feature_names.val, by_sdk.results, strict=True))
        server = dict(zip(by_server.metadata.feature_names.val, by_server.results, strict=True))
        if set(sdk) != set(server):
            differ(view, "columns", sorted(sdk), sorted(server))
        for name in names:
            ours, theirs = server[name], sdk[name]
            if not len(ours.values) == len(theirs.values) == len(part):
                differ(view, name, "rows", len(ours.values), len(theirs.values))
                continue
            for i, row in enumerate(part):
                result["values"] += 1
                result["present"] += ours.statuses[i] == PRESENT
                same = (
                    ours.values[i].SerializeToString() == theirs.values[i].SerializeToString()
                    and ours.statuses[i] == theirs.statuses[i]
                    and ours.event_timestamps[i] == theirs.event_timestamps[i]
                )
                if not same:
                    differ(view, name, keys[i], ours.values[i], theirs.values[i], ours.statuses[i], theirs.statuses[i])
                # The tables have one row per key: what is served has to be what the file says.
                which = ours.values[i].WhichOneof("val")
                served = getattr(ours.values[i], which) if which else None
                result["against_source"] += served == row[name]
    return result


json.dump({view: compare(view, key, kind, table) for (view, key, kind), table in TABLES.items()}, sys.stdout)
