"""What the real Feast SDK does for the benchmarks of writes.

usage: write_repo.py make REPO ROWS     writes data/batch.parquet (ROWS rows, one per entity), defines and applies the views
                                        `pushed` (push source `events`) and `batch` (that file), of the same ten features
       write_repo.py materialize REPO   materializes `batch`; prints {"seconds": wall} of that alone
                                        alone, without imports and without reading the registry
"""

import contextlib
import json
import sys
import time
from datetime import datetime, timedelta, timezone

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, PushSource, ValueType
from feast.types import Float64, Int64, String

START = datetime(2025, 1, 1, tzinfo=timezone.utc)
END = START + timedelta(days=1)
TYPES = [Int64, Float64, String]
FEATURES = [Field(name=f"feature_{i}", dtype=TYPES[i % 3]) for i in range(10)]
ENTITY = Entity(name="entity", join_keys=["entity"], value_type=ValueType.INT64)


def column(i, ids):
    """The values of feature `i`; `storedValues` of bench/write-rows.ts makes the same."""
    numbers = (ids * 7919 + i * 104729) % 1_000_003
    if i % 3 == 0:
        return pa.array(numbers, pa.int64())
    if i % 3 == 1:
        return pa.array(numbers / 8, pa.float64())
    return pa.array([f"value {n}" for n in numbers], pa.string())


def make(repo, rows):
    ids = np.arange(rows, dtype=np.int64)
    table = {"entity": pa.array(ids)}
    table |= {field.name: column(i, ids) for i, field in enumerate(FEATURES)}
    start_us = int(START.timestamp() * 1e6)
    table["event_timestamp"] = pa.array(start_us + ids % 86_000 * 1_000_000, pa.timestamp("us", "UTC"))
    pq.write_table(pa.table(table), f"{repo}/data/batch.parquet")

    source = FileSource(name="batch_source", path="data/batch.parquet", timestamp_field="event_timestamp")
    views = [
        FeatureView(
            name=name,
            entities=[ENTITY],
            ttl=timedelta(days=36500),
            schema=[Field(name="entity", dtype=Int64), *FEATURES],
            source=of,
        )
        for name, of in [("batch", source), ("pushed", PushSource(name="events", batch_source=source))]
    ]
    with contextlib.redirect_stdout(sys.stderr):
        FeatureStore(repo_path=repo).apply([ENTITY, source, *views])


def materialize(repo):
    with contextlib.redirect_stdout(sys.stderr):
        store = FeatureStore(repo_path=repo)
        store.refresh_registry()
        started = time.perf_counter()
        store.materialize(START, END, feature_views=["batch"])
        ended = time.perf_counter()
    print(json.dumps({"seconds": ended - started}))


if sys.argv[1] == "make":
    make(sys.argv[2], int(sys.argv[3]))
else:
    materialize(sys.argv[2])
