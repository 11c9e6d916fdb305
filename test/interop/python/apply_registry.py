"""Applies definitions with the Feast SDK to the registry that a feature repository names.

Usage: apply_registry.py DIRECTORY [VIEW...]. The directory has a `feature_store.yaml`. Applies one of each kind of object, and a
feature view per VIEW.
"""

import contextlib
import sys
from datetime import timedelta

import pandas as pd
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, PushSource, RequestSource, ValueType
from feast.data_format import ParquetFormat
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, Int64, String

DRIVER = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64, description="who drives")


def view(name, source):
    return FeatureView(
        name=name,
        entities=[DRIVER],
        ttl=timedelta(days=2),
        schema=[Field(name="driver_id", dtype=Int64), Field(name="trips", dtype=Int64), Field(name="town", dtype=String)],
        source=source,
        tags={"team": "rides"},
        owner="rides@example.com",
    )


def definitions(names):
    file = FileSource(name="trips_file", path="trips.parquet", timestamp_field="ts", created_timestamp_column="made", file_format=ParquetFormat())
    push = PushSource(name="trips_push", batch_source=file)
    request = RequestSource(name="asked", schema=[Field(name="factor", dtype=Float64)])
    stats = view("driver_stats", file)
    pushed = view("driver_pushed", push)

    @on_demand_feature_view(sources=[stats, request], schema=[Field(name="scaled", dtype=Float64)], mode="pandas")
    def scaled_trips(inputs: pd.DataFrame) -> pd.DataFrame:
        out = pd.DataFrame()
        out["scaled"] = inputs["trips"] * inputs["factor"]
        return out

    service = FeatureService(
        name="drivers",
        features=[stats[["trips"]], pushed.with_name("alias").with_join_key_map({"driver_id": "other_id"})],
        tags={"stage": "test"},
    )
    return [DRIVER, file, push, stats, pushed, scaled_trips, service, *(view(name, file) for name in names)]


def main(directory, names):
    with contextlib.redirect_stdout(sys.stderr):
        FeatureStore(repo_path=directory).apply(definitions(names))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
