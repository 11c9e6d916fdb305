"""On-demand views that are kept in the online store, materialized by the real Feast SDK.

usage: materialize_on_demand.py make REPO          define and apply sources and views, and make their Parquet files
       materialize_on_demand.py sources REPO       make the Parquet files alone
       materialize_on_demand.py materialize REPO   reads a JSON list of [end] or [start, end], and views, from standard input:
                                                   materialize-incremental or materialize, one after the other
"""

import contextlib
import json
import os
import sys
from datetime import datetime, timedelta, timezone

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Array, Bool, Float32, Float64, Int32, Int64, String, UnixTimestamp

DAY = datetime(2025, 1, 1, tzinfo=timezone.utc)
DRIVER = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
TOWN = Entity(name="town", join_keys=["town_name"], value_type=ValueType.STRING)


def view(name, entities, fields, ttl, created=""):
    source = FileSource(
        name=f"{name}_source",
        path=f"data/{name}.parquet",
        timestamp_field="event_timestamp",
        created_timestamp_column=created,
    )
    schema = [Field(name=n, dtype=t) for n, t in fields.items()]
    return FeatureView(name=name, entities=entities, ttl=ttl, schema=schema, source=source)


STATS = view(
    "stats",
    [DRIVER],
    {"driver_id": Int64, "trips": Int64, "rating": Float64, "home": String, "recent": Array(Int64)},
    timedelta(days=400),
    created="created",
)
FARES = view("fares", [DRIVER], {"driver_id": Int64, "fare": Float64}, timedelta(hours=2))
VISITS = view("visits", [DRIVER, TOWN], {"driver_id": Int64, "town_name": String, "visits": Int64}, timedelta(0))


def kept(entities, sources, **fields):
    schema = [Field(name=n, dtype=t) for n, t in fields.items()]
    return on_demand_feature_view(entities=entities, sources=sources, schema=schema, mode="pandas", write_to_online_store=True)


@kept([DRIVER], [STATS], double=Int64, half=Float64, rough=Float32, small=Int32, shout=String, good=Bool, later=UnixTimestamp, items=Array(Int64))
def shapes(inputs: pd.DataFrame) -> pd.DataFrame:
    out = pd.DataFrame()
    out["double"] = inputs["trips"].fillna(0).astype("int64") * 2
    out["half"] = inputs["rating"] / 2
    out["rough"] = (inputs["rating"].fillna(0) / 3).astype("float32")
    out["small"] = inputs["trips"].fillna(-1).astype("int32")
    out["shout"] = [None if each is None else str(each).upper() for each in inputs["home"]]
    out["good"] = inputs["rating"] > 3
    out["later"] = pd.to_datetime(inputs["trips"].fillna(0).astype("int64") + 1_700_000_000, unit="s", utc=True)
    out["items"] = [[] if each is None else [2 * i for i in each] for each in inputs["recent"]]
    return out


@kept([DRIVER], [STATS, FARES], per_trip=Float64)
def both(inputs: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"per_trip": inputs["fare"].fillna(-1.0) / (inputs["trips"].fillna(0) + 1)})


@kept([DRIVER, TOWN], [VISITS], twice=Int64)
def pairs(inputs: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"twice": inputs["visits"].fillna(0).astype("int64") * 2})


def make(repo):
    sources(repo)
    with contextlib.redirect_stdout(sys.stderr):
        FeatureStore(repo_path=repo).apply([DRIVER, TOWN, STATS, FARES, VISITS, shapes, both, pairs])


def sources(repo):
    os.makedirs(f"{repo}/data", exist_ok=True)
    rows = range(600)
    # Each driver has rows at several times, the last of some beyond the window. None are at the same time: which of them
    # Feast's join takes depends on a sort that keeps no order.
    moments = [DAY + timedelta(minutes=(7 + i % 11) * (i // 100), microseconds=i % 100) for i in rows]
    write(repo, "stats", {
        "driver_id": pa.array([i % 100 for i in rows], pa.int64()),
        "trips": pa.array([None if i % 7 == 0 else i for i in rows], pa.int64()),
        "rating": pa.array([None if i % 11 == 0 else i / 100 for i in rows], pa.float64()),
        "home": pa.array([None if i % 5 == 0 else f"wört{i}" for i in rows]),
        "recent": pa.array([None if i % 6 == 0 else list(range(i % 4)) for i in rows], pa.list_(pa.int64())),
        "event_timestamp": pa.array(moments, pa.timestamp("us", "UTC")),
        "created": pa.array([DAY + timedelta(minutes=(i * 7) % 599) for i in rows], pa.timestamp("us", "UTC")),
    })
    # At the times of the rows above, or far before: beyond the TTL.
    write(repo, "fares", {
        "driver_id": pa.array(range(0, 120), pa.int64()),
        "fare": pa.array([i * 1.5 for i in range(120)], pa.float64()),
        "event_timestamp": pa.array([DAY - timedelta(hours=5 * (i % 2), minutes=i % 30) for i in range(120)], pa.timestamp("us", "UTC")),
    })
    write(repo, "visits", {
        "driver_id": pa.array([i % 10 for i in range(40)], pa.int64()),
        "town_name": pa.array([["Köln", "Bern"][i % 2] for i in range(40)]),
        "visits": pa.array(range(40), pa.int64()),
        "event_timestamp": pa.array([DAY + timedelta(minutes=i) for i in range(40)], pa.timestamp("us", "UTC")),
    })


def write(repo, name, columns):
    pq.write_table(pa.table(columns), f"{repo}/data/{name}.parquet")


def materialize(repo):
    store = FeatureStore(repo_path=repo)
    for moments, views in json.load(sys.stdin):
        parsed = [datetime.fromisoformat(each) for each in moments]
        with contextlib.redirect_stdout(sys.stderr):
            if len(parsed) == 1:
                store.materialize_incremental(*parsed, feature_views=views)
            else:
                store.materialize(*parsed, feature_views=views)


if __name__ == "__main__":
    {"make": make, "sources": sources, "materialize": materialize}[sys.argv[1]](*sys.argv[2:])
