"""A feature repository made, filled, read and called by the real Feast SDK.

usage: feature_types.py make REPO        define features of every scalar type and some lists, apply them, store rows
       feature_types.py read REPO        ask the SDK (whatever online store REPO has), requests on standard input
       feature_types.py view REPO        the same through the SDK's other way, one feature view at a time
       feature_types.py call ADDRESS     ask a server through Feast's own gRPC stubs, requests on standard input

Requests and answers are JSON. A request: {"features": [...]} or {"feature_service": ...}, "entities": {column: [...]},
"full_feature_names": bool. An answer: [[name, {"values": [serialized Value as hex], "statuses": [...], "seconds": [...]}]] or
{"error": class or code, "message": ...}.
"""

import contextlib
import json
import sys
from datetime import datetime, timedelta, timezone

import grpc
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.protos.feast.serving import GrpcServer_pb2_grpc, ServingService_pb2, ServingService_pb2_grpc
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import (
    BoolList,
    DoubleList,
    FloatList,
    Int32List,
    Int64List,
    Null,
    StringList,
    Value,
)
from feast.types import Array, Bool, Bytes, Float32, Float64, Int32, Int64, String, UnixTimestamp

NOW = datetime.now(timezone.utc).replace(microsecond=0)
SOURCE = FileSource(name="source", path="source.parquet", timestamp_field="event_timestamp")
CUSTOMER = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.INT64)
SHOP = Entity(name="shop", join_keys=["shop_name"], value_type=ValueType.STRING)

CUSTOMER_FIELD = Field(name="customer_id", dtype=Int64)
TYPES = {
    "f_int32": Int32,
    "f_int64": Int64,
    "f_float": Float32,
    "f_double": Float64,
    "f_bool": Bool,
    "f_string": String,
    "f_bytes": Bytes,
    "f_time": UnixTimestamp,
}
LIST_TYPES = {
    "l_int32": Array(Int32),
    "l_int64": Array(Int64),
    "l_float": Array(Float32),
    "l_double": Array(Float64),
    "l_bool": Array(Bool),
    "l_string": Array(String),
}


def view(name, entities, fields, ttl=timedelta(days=3650)):
    return FeatureView(name=name, entities=entities, ttl=ttl, schema=fields, source=SOURCE)


SCALARS = view("scalars", [CUSTOMER], [CUSTOMER_FIELD, *(Field(name=n, dtype=t) for n, t in TYPES.items())])
LISTS = view("lists", [CUSTOMER], [CUSTOMER_FIELD, *(Field(name=n, dtype=t) for n, t in LIST_TYPES.items())])
PAIRS = view(
    "pairs",
    [CUSTOMER, SHOP],
    [CUSTOMER_FIELD, Field(name="shop_name", dtype=String), Field(name="visits", dtype=Int64)],
)
EVERYWHERE = view("everywhere", [], [Field(name="rate", dtype=Float64)])
AGED = view("aged", [CUSTOMER], [CUSTOMER_FIELD, Field(name="score", dtype=Int64)], ttl=timedelta(hours=1))
SERVICES = [
    FeatureService(name="all_scalars", features=[SCALARS]),
    FeatureService(name="some", features=[SCALARS[["f_string", "f_int64"]], PAIRS, EVERYWHERE]),
    FeatureService(
        name="two_customers",
        features=[
            SCALARS[["f_int64"]].with_name("buyer").with_join_key_map({"customer_id": "buyer_id"}),
            SCALARS[["f_int64"]].with_name("seller").with_join_key_map({"customer_id": "seller_id"}),
        ],
    ),
]


def scalars(i):
    """Row i: ordinary values, then the edges of each type, then nulls."""
    edges = {
        "f_int32": Value(int32_val=-(2**31)),
        "f_int64": Value(int64_val=2**53 + 1),
        "f_float": Value(float_val=3.0),
        "f_double": Value(double_val=1e300),
        "f_bool": Value(bool_val=False),
        "f_string": Value(string_val=""),
        "f_bytes": Value(bytes_val=b""),
        "f_time": Value(unix_timestamp_val=0),
    }
    ordinary = {
        "f_int32": Value(int32_val=i),
        "f_int64": Value(int64_val=-(2**63) if i == 1 else 1000 + i),
        "f_float": Value(float_val=0.1),
        "f_double": Value(double_val=i / 7),
        "f_bool": Value(bool_val=True),
        "f_string": Value(string_val=f'Grüße "{i}" \n 北京 🙂'),
        "f_bytes": Value(bytes_val=bytes([0, 255, i])),
        "f_time": Value(unix_timestamp_val=1_700_000_000 + i),
    }
    nulls = {name: Value() if i % 2 else Value(null_val=Null.NULL) for name in ordinary}
    return {1: ordinary, 2: edges, 3: nulls}.get(i, ordinary)


def lists(i):
    return {
        "l_int32": Value(int32_list_val=Int32List(val=[1, -2, i])),
        "l_int64": Value(int64_list_val=Int64List(val=[2**62, i])),
        "l_float": Value(float_list_val=FloatList(val=[0.5, 0.1])),
        "l_double": Value(double_list_val=DoubleList(val=[1.0, 2.5])),
        "l_bool": Value(bool_list_val=BoolList(val=[True, False])),
        "l_string": Value(string_list_val=StringList(val=["a", "ü"])),
    }


def make(repo):
    store = FeatureStore(repo_path=repo)
    with contextlib.redirect_stdout(sys.stderr):
        store.apply([CUSTOMER, SHOP, SCALARS, LISTS, PAIRS, EVERYWHERE, AGED, *SERVICES])

    def write(target, key, values, at):
        names, parts = [k for k, _ in key], [v for _, v in key]
        rows = [(EntityKey(join_keys=names, entity_values=parts), values, at, at)]
        store._get_provider().online_write_batch(store.config, target, rows, None)

    for i in [1, 2, 3, 5, 8, 13]:
        key = [("customer_id", Value(int64_val=i))]
        at = NOW - timedelta(seconds=i)
        write(SCALARS, key, scalars(i), at)
        write(LISTS, key, lists(i), at)
        write(AGED, key, {"score": Value(int64_val=i)}, NOW - timedelta(hours=2 if i % 2 else 0))
        for shop in ["Köln", "7"]:
            both = [*key, ("shop_name", Value(string_val=shop))]
            write(PAIRS, both, {"visits": Value(int64_val=i * len(shop))}, at)
    write(EVERYWHERE, [("__dummy_id", Value(string_val=""))], {"rate": Value(double_val=2.25)}, NOW)


def answer(response):
    columns = []
    for name, column in zip(response.metadata.feature_names.val, response.results, strict=True):
        columns.append(
            [
                name,
                {
                    "values": [v.SerializeToString(deterministic=True).hex() for v in column.values],
                    "statuses": list(column.statuses),
                    "seconds": [t.seconds for t in column.event_timestamps],
                },
            ]
        )
    return columns


def rows_of(entities):
    count = max(len(column) for column in entities.values()) if entities else 0
    return [{name: column[i] for name, column in entities.items()} for i in range(count)]


def read(repo):
    store = FeatureStore(repo_path=repo)

    def ask(request):
        service = request.get("feature_service")
        features = store.get_feature_service(service) if service else request["features"]
        return store.get_online_features(
            features=features,
            entity_rows=rows_of(request["entities"]),
            full_feature_names=request.get("full_feature_names", False),
        ).proto

    return ask


def read_view(repo):
    """The SDK's OnlineStore.online_read, which other parts of Feast call with entity keys of one view."""
    store = FeatureStore(repo_path=repo)
    answers = []
    for request in json.load(sys.stdin):
        target = store.get_feature_view(request["view"])
        keys = [EntityKey(join_keys=["customer_id"], entity_values=[Value(int64_val=i)]) for i in request["ids"]]
        rows = store._get_provider().online_read(store.config, target, keys, request["features"])
        answers.append([{n: v.SerializeToString().hex() for n, v in (values or {}).items()} for _, values in rows])
    json.dump(answers, sys.stdout)


def to_value(item):
    if isinstance(item, float):
        return Value(double_val=item)
    return Value(int64_val=item) if isinstance(item, int) else Value(string_val=item)


def call(address):
    channel = grpc.insecure_channel(address, options=[("grpc.max_receive_message_length", 1 << 28)])
    stubs = {
        "ServingService": ServingService_pb2_grpc.ServingServiceStub(channel),
        "GrpcFeatureServer": GrpcServer_pb2_grpc.GrpcFeatureServerStub(channel),
    }

    def ask(request):
        message = ServingService_pb2.GetOnlineFeaturesRequest(full_feature_names=request.get("full_feature_names", False))
        if request.get("feature_service"):
            message.feature_service = request["feature_service"]
        else:
            message.features.val.extend(request["features"])
        for name, column in request["entities"].items():
            message.entities[name].val.extend(to_value(item) for item in column)
        return stubs[request["service"]].GetOnlineFeatures(message, timeout=30)

    return ask


def answer_all(ask):
    answers = []
    for request in json.load(sys.stdin):
        try:
            answers.append(answer(ask(request)))
        except grpc.RpcError as error:
            answers.append({"error": error.code().name, "message": error.details()})
        except Exception as error:  # noqa: BLE001: which class the SDK raises is what is being looked at
            answers.append({"error": type(error).__name__, "message": str(error)})
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    what, where = sys.argv[1:]
    if what == "make":
        make(where)
    elif what == "view":
        read_view(where)
    else:
        answer_all({"read": read, "call": call}[what](where))
