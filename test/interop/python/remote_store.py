"""The real Feast SDK as a client of a feature server: online_store of type remote.

usage: remote_store.py make REPO     define, apply and make the sources of a repository that a server is started on
       remote_store.py run REPO      write, push, read and materialize through the online store of REPO; prints a JSON list of
                                     [step, outcome], an outcome being what was read, "done", or [exception class]
       remote_store.py wait REPO     materialize in the background on the server and wait for it
"""

import contextlib
import json
import sys
import time
from datetime import datetime, timedelta, timezone

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, PushSource, ValueType
from feast.types import Array, Bool, Decimal, Float32, Float64, Int32, Int64, Json, Map, Set, String, Struct
from feast.types import UnixTimestamp, Uuid

DAY = datetime(2025, 1, 1, tzinfo=timezone.utc)
WHO = Entity(name="who", join_keys=["who_id"], value_type=ValueType.INT64)
SHOP = Entity(name="shop", join_keys=["shop_name"], value_type=ValueType.STRING)
WHO_ID = Field(name="who_id", dtype=Int64)

TYPES = {
    "f_int32": Int32,
    "f_int64": Int64,
    "f_float": Float32,
    "f_double": Float64,
    "f_bool": Bool,
    "f_string": String,
    "f_time": UnixTimestamp,
    "f_uuid": Uuid,
    "f_decimal": Decimal,
    "f_json": Json,
    "f_map": Map,
    "f_struct": Struct({"a": Int64}),
    "l_int64": Array(Int64),
    "l_double": Array(Float64),
    "l_string": Array(String),
    "l_bool": Array(Bool),
    "s_string": Set(String),
    "n_int64": Array(Array(Int64)),
}


def source(name, path):
    return FileSource(name=name, path=path, timestamp_field="event_timestamp", created_timestamp_column="created")


def view(name, entities, fields, batch_source):
    return FeatureView(name=name, entities=entities, ttl=timedelta(days=36500), schema=fields, source=batch_source)


TYPED = {
    name: view(f"v_{name}", [WHO], [WHO_ID, Field(name=name, dtype=dtype)], source(f"s_{name}", "data/unused.parquet"))
    for name, dtype in TYPES.items()
}
EVENTS = PushSource(name="events", batch_source=source("events_source", "data/unused.parquet"))
CLICKS = view("clicks", [WHO], [WHO_ID, Field(name="clicks", dtype=Int64)], EVENTS)
PAIRS = view(
    "pairs",
    [WHO, SHOP],
    [WHO_ID, Field(name="shop_name", dtype=String), Field(name="clicks", dtype=Int64)],
    source("pairs_source", "data/unused.parquet"),
)
BATCH = view(
    "batch",
    [WHO],
    [WHO_ID, Field(name="score", dtype=Float64), Field(name="word", dtype=String)],
    source("batch_source", "data/batch.parquet"),
)
SERVICE = FeatureService(name="service", features=[TYPED["f_int64"], TYPED["f_string"], CLICKS, BATCH])


def make(repo):
    rows = pa.table(
        {
            "who_id": pa.array(range(500), pa.int64()),
            "score": pa.array([i / 7 for i in range(500)], pa.float64()),
            "word": pa.array([None if i % 5 == 0 else f"w{i}" for i in range(500)]),
            "event_timestamp": pa.array([DAY + timedelta(hours=i % 48) for i in range(500)], pa.timestamp("us", "UTC")),
            "created": pa.array([DAY] * 500, pa.timestamp("us", "UTC")),
        }
    )
    pq.write_table(rows, f"{repo}/data/batch.parquet")
    with contextlib.redirect_stdout(sys.stderr):
        store = FeatureStore(repo_path=repo)
        store.apply([WHO, SHOP, EVENTS, *TYPED.values(), CLICKS, PAIRS, BATCH, SERVICE])


# Per type: ordinary values, edges, and a null.
VALUES = {
    "f_int32": [7, -(2**31), None],
    "f_int64": [2**62 + 1, -(2**63)],
    "f_float": [0.1, 3.0, None],
    "f_double": [1 / 3, 1e300, None],
    "f_bool": [True, False, None],
    "f_string": ['Grüße "x" 北京', "", None],
    "f_time": [1_700_000_000, 0],
    "f_uuid": ["8d8ac610-566d-4ef0-9c22-186b2a5ed793", None],
    "f_decimal": ["1.50", None],
    "f_json": ['{"k": [1, null, "ü"]}', "5", None],
    "f_map": [{"a": 1, "b": "t"}, {"a": 2, "b": ""}],
    "f_struct": [{"a": 5}, None],
    "l_int64": [[1, -2], []],
    "l_double": [[0.5, 2.0], None],
    "l_string": [["a", ""], None],
    "l_bool": [[True, False], None],
    "s_string": [["q"], None],
    "n_int64": [[[1, 2], [3]], None],
}


def frame(rows, keys, stamp):
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    times = {"event_timestamp": [stamp] * len(rows), "created": [DAY] * len(rows)}
    return pd.DataFrame({**keys, **columns, **times})


def shown(value):
    """Floats by their digits, sets and lists alike, everything else as it is printed."""
    if isinstance(value, dict):
        return {k: shown(v) for k, v in sorted(value.items())}
    if isinstance(value, (list, set, tuple)):
        return [shown(v) for v in value]
    return repr(value)


def run(repo):
    with contextlib.redirect_stdout(sys.stderr):
        store = FeatureStore(repo_path=repo)
    steps = []

    def step(name, action):
        with contextlib.redirect_stdout(sys.stderr):
            try:
                result = action()
                outcome = "done" if result is None else shown(result)
            except Exception as error:  # noqa: BLE001
                outcome = [type(error).__name__]
        steps.append([name, outcome])

    def read(features, **entities):
        answer = store.get_online_features(features=features, entity_rows=rows_of(entities))
        return answer.to_dict(include_event_timestamps=False)

    def rows_of(columns):
        return [dict(zip(columns, values)) for values in zip(*columns.values())]

    for name, values in VALUES.items():
        ids = list(range(1, len(values) + 1))
        data = frame([{name: value} for value in values], {"who_id": ids}, DAY)
        step(f"write {name}", lambda: store.write_to_online_store(f"v_{name}", data))
        step(f"read {name}", lambda: read([f"v_{name}:{name}"], who_id=[*ids, 99]))
    clicks = lambda n, stamp: frame([{"clicks": n}], {"who_id": [1]}, stamp)  # noqa: E731
    step("push", lambda: store.push("events", clicks(5, DAY)))
    step("push newer", lambda: store.push("events", clicks(6, DAY + timedelta(microseconds=1500000))))
    step("read pushed", lambda: read(["clicks:clicks"], who_id=[1]))
    step("many", lambda: store.write_to_online_store(
        "clicks", frame([{"clicks": i} for i in range(3000)], {"who_id": list(range(100, 3100))}, DAY)
    ))
    step("read many", lambda: read(["clicks:clicks"], who_id=[100, 3099, 3100]))
    pairs = frame([{"clicks": 1}, {"clicks": 2}], {"who_id": [1, 1], "shop_name": ["Köln", "7"]}, DAY)
    step("write pairs", lambda: store.write_to_online_store("pairs", pairs))
    step("read pairs", lambda: read(["pairs:clicks"], who_id=[1, 1], shop_name=["7", "Köln"]))
    window = (DAY, DAY + timedelta(hours=24))
    step("materialize", lambda: store.materialize(*window, feature_views=["batch"]))
    step("read batch", lambda: read(["batch:score", "batch:word"], who_id=[0, 1, 24, 25]))
    step("incremental", lambda: store.materialize_incremental(DAY + timedelta(days=9), feature_views=["batch"]))
    step("read more", lambda: read(["batch:score", "batch:word"], who_id=[0, 1, 25, 499]))
    step("service", lambda: store.get_online_features(
        features=store.get_feature_service("service"), entity_rows=[{"who_id": 1}]
    ).to_dict())
    step("unknown push source", lambda: store.push("nope", clicks(1, DAY)))
    step("unknown view", lambda: store.write_to_online_store("nope", clicks(1, DAY)))
    step("unknown feature", lambda: read(["clicks:nope"], who_id=[1]))
    step("materialize an unknown view", lambda: store.materialize(*window, feature_views=["nope"]))
    print(json.dumps(steps))


def wait(repo):
    with contextlib.redirect_stdout(sys.stderr):
        store = FeatureStore(repo_path=repo)
        store.materialize(DAY, DAY + timedelta(hours=47), feature_views=["batch"], run_async=True)
        for _ in range(600):
            store.refresh_registry()
            if store.get_feature_view("batch").state.name == "AVAILABLE_ONLINE":
                break
            time.sleep(0.1)
    print(json.dumps([i.strftime("%H") for pair in store.get_feature_view("batch").materialization_intervals for i in pair]))


if __name__ == "__main__":
    {"make": make, "run": run, "wait": wait}[sys.argv[1]](sys.argv[2])
