"""Writes Parquet files whose rows compete, and lets the Feast SDK choose and materialize.

Usage: materialize_rows.py DIRECTORY ONLINE_STORE_YAML. The directory gets `data/`, `registry.db` and `feature_store.yaml`, whose
online store is the given YAML block. Prints the names of the views, one per line.
"""

import contextlib
import datetime as dt
import os
import sys
from datetime import timedelta

import pyarrow as pa
import pyarrow.parquet as pq
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Bytes, Int32, Int64, String, UnixTimestamp

UTC = dt.timezone.utc
START = dt.datetime(2024, 1, 1, tzinfo=UTC)
END = dt.datetime(2024, 6, 1, 12, 30, 15, 250000, tzinfo=UTC)


def at(seconds, microseconds=0):
    return dt.datetime(2024, 3, 1, tzinfo=UTC) + timedelta(seconds=seconds, microseconds=microseconds)


def micros(values, zone="UTC"):
    return pa.array(values, pa.timestamp("us", zone))


def entity(name, value_type, join_key=None):
    return Entity(name=name, join_keys=[join_key or name], value_type=value_type)


USER = entity("user", ValueType.INT64, "user_id")
SHOP = entity("shop", ValueType.STRING)
SMALL = entity("small", ValueType.INT32)
BLOB = entity("blob", ValueType.BYTES)
MOMENT = entity("moment", ValueType.UNIX_TIMESTAMP)


def view(name, entities, columns, schema, parts=1, **source):
    """One feature view over `columns`; with several parts the rows go to a folder of as many files."""
    table = pa.table(columns)
    path = f"data/{name}.parquet"
    if parts == 1:
        pq.write_table(table, path)
    else:
        path = f"data/{name}"
        os.makedirs(path)
        size = -(-len(table) // parts)
        for i in range(parts):
            pq.write_table(table.slice(i * size, size), f"{path}/part-{i}.parquet")
    return FeatureView(
        name=name,
        entities=entities,
        ttl=timedelta(days=1),
        schema=schema,
        source=FileSource(name=f"{name}_source", path=path, timestamp_field="ts", **source),
    )


def views():
    user = Field(name="user_id", dtype=Int64)
    f = Field(name="f", dtype=Int64)
    edge = timedelta(microseconds=1)
    yield view(
        "bounds",
        [USER],
        {
            "user_id": [1, 2, 3, 4, 5, 5],
            "ts": micros([START, END, START - edge, END + edge, START, END]),
            "f": [1, 2, 3, 4, 5, 6],
        },
        [user, f],
    )
    yield view(
        "latest",
        [USER],
        {
            "user_id": [i % 50 for i in range(2000)],
            "ts": micros([at((i * 7919) % 2003, i) for i in range(2000)]),
            "f": list(range(2000)),
        },
        [user, f],
        parts=4,
    )
    yield view(
        "created",
        [USER],
        {
            "user_id": [1, 1, 1, 1, 2, 2],
            "ts": micros([at(0), at(0), at(0), at(-1), at(5), at(4)]),
            "made": micros([at(1), at(3), at(2), at(9), at(0), at(9)]),
            "f": [10, 11, 12, 13, 20, 21],
        },
        [user, f],
        created_timestamp_column="made",
    )
    yield view("ties", [USER], {"user_id": [1, 1, 1], "ts": micros([at(0)] * 3), "f": [10, 11, 12]}, [user, f])
    yield view("naive", [USER], {"user_id": [1], "ts": micros([at(0, 123456).replace(tzinfo=None)], None), "f": [1]}, [user, f])
    yield view(
        "nanoseconds",
        [USER],
        {"user_id": [1, 1], "ts": pa.array([1709251200000001002, 1709251200000001003], pa.timestamp("ns")), "f": [1, 2]},
        [user, f],
    )
    yield view("zoned", [USER], {"user_id": [1], "ts": micros([at(0)], "Asia/Tokyo"), "f": [1]}, [user, f])
    yield view("global", [], {"ts": micros([at(0), at(2), at(1)]), "f": [1, 2, 3]}, [f])
    yield view(
        "mapped",
        [USER],
        {"uid": [1, 1], "at": micros([at(0), at(1)]), "src": [1, 2], "other": ["x", "y"]},
        [user, f, Field(name="other", dtype=String)],
        field_mapping={"uid": "user_id", "at": "ts", "src": "f"},
    )
    yield view(
        "pairs",
        [USER, SHOP],
        {"shop": ["b", "b", "a", "ü"], "user_id": [1, 1, 1, 2], "ts": micros([at(0), at(1), at(0), at(0)]), "f": [1, 2, 3, 4]},
        [user, Field(name="shop", dtype=String), f],
    )
    yield view(
        "small_keys",
        [SMALL],
        {"small": pa.array([-7, 2**31 - 1], pa.int32()), "ts": micros([at(0), at(1)]), "f": [1, None]},
        [Field(name="small", dtype=Int32), f],
    )
    yield view("blob_keys", [BLOB], {"blob": [b"\x00\xff", b""], "ts": micros([at(0)] * 2), "f": [1, 2]}, [Field(name="blob", dtype=Bytes), f])
    yield view(
        "moment_keys",
        [MOMENT],
        {"moment": micros([at(0, 999999), dt.datetime(1969, 12, 31, 23, 59, 59, 500000, tzinfo=UTC)]), "ts": micros([at(0)] * 2), "f": [1, 2]},
        [Field(name="moment", dtype=UnixTimestamp), f],
    )


def main(directory, online_store):
    os.chdir(directory)
    os.makedirs("data")
    with open("feature_store.yaml", "w") as f:
        f.write(f"project: rows\nprovider: local\nregistry: registry.db\nonline_store:\n{online_store}\nentity_key_serialization_version: 3\n")
    all_views = list(views())
    store = FeatureStore(repo_path=directory)
    with contextlib.redirect_stdout(sys.stderr):
        store.apply([USER, SHOP, SMALL, BLOB, MOMENT, *all_views])
        store.materialize(START, END)
    for v in all_views:
        print(v.name)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
