"""Makes a feature repository with on-demand feature views, their sources filled, for the SQLite online store.

Usage: define_on_demand.py DIRECTORY. The directory has a `feature_store.yaml` of project `types`.
"""

import contextlib
import sys
from datetime import datetime, timedelta, timezone

import pandas as pd
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, RequestSource, ValueType
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Array, Bool, Float32, Float64, Int32, Int64, String, UnixTimestamp

NOW = datetime.now(timezone.utc).replace(microsecond=0)
DRIVER = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
TOWN = Entity(name="town", join_keys=["town"], value_type=ValueType.STRING)
FILE = FileSource(name="unused", path="unused.parquet", timestamp_field="event_timestamp")


def view(name, entity, fields):
    return FeatureView(name=name, entities=entity, ttl=timedelta(days=1), schema=[Field(name=n, dtype=t) for n, t in fields], source=FILE)


STATS = view(
    "stats",
    [DRIVER],
    [("driver_id", Int64), ("trips", Int64), ("small", Int32), ("rating", Float64), ("rough", Float32), ("home", String), ("active", Bool), ("seen", UnixTimestamp), ("recent", Array(Int64)), ("words", Array(String))],
)
PLACES = view("places", [TOWN], [("town", String), ("people", Int64)])
REQUEST = RequestSource(name="asked", schema=[Field(name="factor", dtype=Float64), Field(name="bonus", dtype=Int64)])


@on_demand_feature_view(
    sources=[STATS, REQUEST],
    schema=[Field(name="scaled", dtype=Float64), Field(name="sum", dtype=Int64), Field(name="label", dtype=String), Field(name="good", dtype=Bool)],
    mode="pandas",
)
def scaled(inputs: pd.DataFrame) -> pd.DataFrame:
    out = pd.DataFrame()
    out["scaled"] = inputs["trips"] * inputs["factor"]
    # The sample that Feast tries a function with has no join keys.
    out["sum"] = inputs["stats__trips"] + inputs["bonus"] + inputs.get("driver_id", 0)
    out["label"] = inputs["home"].fillna("nowhere") + "!"
    out["good"] = inputs["rating"] > 3
    return out


@on_demand_feature_view(
    sources=[STATS],
    schema=[Field(name="doubled", dtype=Array(Int64)), Field(name="later", dtype=UnixTimestamp), Field(name="half", dtype=Float32), Field(name="count", dtype=Int32), Field(name="first", dtype=String)],
    mode="pandas",
)
def shaped(inputs: pd.DataFrame) -> pd.DataFrame:
    out = pd.DataFrame()
    out["doubled"] = [[2 * i for i in items] if items is not None else None for items in inputs["recent"]]
    out["later"] = pd.to_datetime(inputs["seen"], utc=True) + pd.Timedelta(hours=1)
    out["half"] = (inputs["rough"] / 2).astype("float32")
    out["count"] = inputs["small"].fillna(0).astype("int32")
    out["first"] = [items[0] if items is not None and len(items) > 0 else None for items in inputs["words"]]
    return out


@on_demand_feature_view(sources=[STATS, PLACES], schema=[Field(name="share", dtype=Float64)], mode="pandas")
def combined(inputs: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"share": inputs["trips"] / inputs["people"]})


@on_demand_feature_view(sources=[STATS], schema=[Field(name="never", dtype=Int64)], mode="pandas")
def failing(inputs: pd.DataFrame) -> pd.DataFrame:
    # It knows the types of a sample when it is applied, and fails when it is asked.
    if len(inputs) > 0 and inputs["trips"].iloc[0] == 70:
        raise ValueError("never mind 70")
    return pd.DataFrame({"never": inputs["trips"]})


@on_demand_feature_view(sources=[STATS], schema=[Field(name="slept", dtype=Int64)], mode="pandas")
def slow(inputs: pd.DataFrame) -> pd.DataFrame:
    import time

    if len(inputs) > 0 and inputs["trips"].iloc[0] == 70:
        time.sleep(3)
    return pd.DataFrame({"slept": inputs["trips"]})


@on_demand_feature_view(sources=[STATS], schema=[Field(name="other", dtype=Int64)], mode="python")
def in_python(inputs):
    return {"other": inputs["trips"]}


@on_demand_feature_view(
    sources=[PLACES], entities=[TOWN], schema=[Field(name="crowd", dtype=Int64)], mode="pandas", write_to_online_store=True
)
def crowded(inputs: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"crowd": inputs["people"] * 2})


def main(directory):
    store = FeatureStore(repo_path=directory)
    computed = [scaled, shaped, combined, failing, slow, in_python, crowded]
    service = FeatureService(name="all", features=[STATS[["trips"]], scaled[["scaled", "label"]], PLACES, combined])
    drivers = pd.DataFrame(
        {
            "driver_id": [1, 2, 3, 7],
            "trips": [10, 20, 30, 70],
            "small": [1, 2, 3, 7],
            "rating": [4.5, 2.5, 3.25, 1.0],
            "rough": [0.5, 1.5, 2.5, 3.5],
            "home": ["Köln", "Bern", None, "x"],
            "active": [True, False, True, False],
            "seen": [NOW - timedelta(hours=i) for i in range(4)],
            "recent": [[1, 2], [3], [], [7]],
            "words": [["a", "b"], ["c"], [], ["z"]],
            "event_timestamp": [NOW] * 4,
        }
    )
    towns = pd.DataFrame({"town": ["Bern", "Köln"], "people": [100, 1000], "event_timestamp": [NOW] * 2})
    with contextlib.redirect_stdout(sys.stderr):
        store.apply([DRIVER, TOWN, STATS, PLACES, *computed, service])
        store.write_to_online_store("stats", drivers)
        store.write_to_online_store("places", towns)


if __name__ == "__main__":
    main(sys.argv[1])
