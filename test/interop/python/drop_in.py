"""One script of the real Feast SDK, of HTTP and of gRPC calls, for Feast's own servers and for those that stand in for them.

usage: drop_in.py make REPO...          define, apply and make the sources of the repositories that servers are started on
       drop_in.py run REPO URL ADDRESS  REPO is a client's (online_store of type remote); URL speaks HTTP, ADDRESS gRPC.
                                        Prints a JSON list of [step, outcome]
       drop_in.py commands REPO         runs Feast's command line; argument lists as JSON on standard input, prints exit codes

An outcome is one of
  {"columns": [[name, values, statuses, times], ...], "more": the rest of the metadata}
  {"done": status, "body": ...}                       HTTP without columns, or what a call returned
  {"failed": HTTP status, gRPC code or "raised", "class": ..., "message": ...}
Numbers of JSON are given by their digits, as text: 1 is not 1.0.
"""

import contextlib
import json
import sys
import time
from datetime import datetime, timedelta, timezone

import grpc
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import requests
from feast import (
    Entity,
    FeatureService,
    FeatureStore,
    FeatureView,
    Field,
    FileSource,
    LabelView,
    PushSource,
    RequestSource,
    ValueType,
)
from feast.on_demand_feature_view import on_demand_feature_view
from feast.protos.feast.serving import GrpcServer_pb2, GrpcServer_pb2_grpc, ServingService_pb2
from feast.protos.feast.types.Value_pb2 import Int64List, StringList, Value
from feast.types import Array, Bool, Float32, Float64, Int32, Int64, Json, String, UnixTimestamp
from google.protobuf import text_format
from grpc_health.v1 import health_pb2, health_pb2_grpc

DAY = datetime(2025, 1, 1, tzinfo=timezone.utc)
PATIENCE_SECONDS = 30

DRIVER = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
TOWN = Entity(name="town", join_keys=["town_name"], value_type=ValueType.STRING)
SMALL = Entity(name="small", join_keys=["small_id"], value_type=ValueType.INT32)


def source(name, path="data/unused.parquet", **more):
    return FileSource(name=name, path=path, timestamp_field="event_timestamp", created_timestamp_column="created", **more)


def view(name, entities, fields, batch_source, ttl=timedelta(days=36500), **more):
    schema = [Field(name=n, dtype=t) for n, t in fields.items()]
    return FeatureView(name=name, entities=entities, ttl=ttl, schema=schema, source=batch_source, **more)


STATS_FIELDS = {
    "trips": Int64,
    "small": Int32,
    "rating": Float64,
    "rough": Float32,
    "home": String,
    "active": Bool,
    "seen": UnixTimestamp,
    "recent": Array(Int64),
    "words": Array(String),
}
STATS_PUSH = PushSource(name="stats_push", batch_source=source("stats_source"))
STATS = view("stats", [DRIVER], {"driver_id": Int64, **STATS_FIELDS}, STATS_PUSH, ttl=timedelta(hours=1))
BOTH_PUSH = PushSource(name="both_push", batch_source=source("both_source"))
LEFT = view("left", [DRIVER], {"driver_id": Int64, "a": Int64, "b": String}, BOTH_PUSH)
RIGHT = view("right", [DRIVER], {"driver_id": Int64, "a": Float64, "c": Float64}, BOTH_PUSH)
PLACES = view("places", [TOWN], {"town_name": String, "people": Int64}, source("places_source"))
PAIRS = view("pairs", [DRIVER, TOWN], {"driver_id": Int64, "town_name": String, "visits": Int64}, source("pairs_source"))
SMALLS = view("smalls", [SMALL], {"small_id": Int32, "size": Int64}, source("smalls_source"))
MAPPED = view(
    "mapped", [DRIVER], {"driver_id": Int64, "good": Int64}, source("mapped_source", field_mapping={"bad": "good"})
)
NOTES = view("notes", [DRIVER], {"driver_id": Int64, "note": Json}, source("notes_source"))
LABELS_PUSH = PushSource(name="labels_push", batch_source=source("labels_source"))
LABELS_SCHEMA = [Field(name="good", dtype=Int64), Field(name="labeler", dtype=String)]
LABELS = LabelView(name="labels", entities=[DRIVER], schema=LABELS_SCHEMA, source=LABELS_PUSH, labeler_field="labeler")
WORLD = view("world", [], {"rate": Float64}, source("world_source", "data/world.parquet"))
BATCH_FIELDS = {"driver_id": Int64, "score": Float64, "word": String, "many": Array(Int64)}
BATCHES = [view(f"batch{i}", [DRIVER], BATCH_FIELDS, source(f"batch{i}_source", "data/batch.parquet")) for i in range(8)]
ASKED = RequestSource(name="asked", schema=[Field(name="factor", dtype=Float64), Field(name="bonus", dtype=Int64)])


@on_demand_feature_view(
    sources=[STATS, ASKED],
    schema=[Field(name="scaled", dtype=Float64), Field(name="total", dtype=Int64), Field(name="label", dtype=String)],
    mode="pandas",
)
def computed(inputs: pd.DataFrame) -> pd.DataFrame:
    out = pd.DataFrame()
    out["scaled"] = inputs["rating"].astype("float64") * inputs["factor"]
    out["total"] = inputs["stats__trips"].fillna(0).astype("int64") + inputs["bonus"]
    out["label"] = inputs["home"].fillna("nowhere") + "!"
    return out


@on_demand_feature_view(sources=[STATS], schema=[Field(name="other", dtype=Int64)], mode="python")
def in_python(inputs):
    return {"other": [0 if t is None else t + 1 for t in inputs["trips"]]}


ALIASED = STATS[["trips", "home"]].with_name("numbers")
BUYER = PLACES.with_name("buyer_place").with_join_key_map({"town_name": "buyer_town"})
SELLER = PLACES.with_name("seller_place").with_join_key_map({"town_name": "seller_town"})
RELIEF = STATS[["trips"]].with_join_key_map({"driver_id": "reserve"})
SERVICES = [
    FeatureService(name="everything", features=[STATS, PLACES, PAIRS]),
    FeatureService(name="some", features=[STATS[["trips"]], LEFT[["b"]]]),
    FeatureService(name="aliased", features=[ALIASED, PLACES]),
    FeatureService(name="deal", features=[BUYER, SELLER]),
    FeatureService(name="on_demand", features=[STATS[["trips"]], computed[["total"]]]),
    FeatureService(name="relief", features=[RELIEF, computed[["total", "label"]]]),
    FeatureService(name="relief_last", features=[computed[["total", "label"]], RELIEF]),
    FeatureService(name="halves", features=[RELIEF, STATS[["home"]]]),
]
ALL_VIEWS = [STATS, LEFT, RIGHT, PLACES, PAIRS, SMALLS, MAPPED, NOTES, LABELS, WORLD, *BATCHES, computed, in_python]
LATER = view("later", [DRIVER], {"driver_id": Int64, "news": Int64}, PushSource(name="later_push", batch_source=source("later_source")))


def make(*repos):
    for repo in repos:
        rows = range(300)
        # Each driver has three rows, with every second pair of them at the same time and told apart by when they were created.
        stamps = [DAY + timedelta(hours=i // 100, microseconds=i) if i % 2 else DAY + timedelta(hours=1) for i in rows]
        batch = {
            "driver_id": pa.array([i % 100 for i in rows], pa.int64()),
            "score": pa.array([None if i % 7 == 0 else float("nan") if i % 11 == 0 else i / 7 for i in rows], pa.float64()),
            "word": pa.array([None if i % 5 == 0 else f"wört{i}" for i in rows]),
            "many": pa.array([None if i % 6 == 0 else list(range(i % 4)) for i in rows], pa.list_(pa.int64())),
            "event_timestamp": pa.array(stamps, pa.timestamp("us", "UTC")),
            "created": pa.array([DAY + timedelta(minutes=(i * 7) % 300) for i in rows], pa.timestamp("us", "UTC")),
        }
        pq.write_table(pa.table(batch), f"{repo}/data/batch.parquet")
        world = {"rate": [1.5, 2.5], "event_timestamp": [DAY, DAY + timedelta(hours=2)], "created": [DAY, DAY]}
        pq.write_table(pa.Table.from_pandas(pd.DataFrame(world)), f"{repo}/data/world.parquet")
        with contextlib.redirect_stdout(sys.stderr):
            entities = [DRIVER, TOWN, SMALL]
            FeatureStore(repo_path=repo).apply([*entities, STATS_PUSH, BOTH_PUSH, LABELS_PUSH, *ALL_VIEWS, *SERVICES])


def stamp(**after):
    return (DAY + timedelta(**after)).isoformat()


def stats_row(**values):
    """One row of `stats`, its columns ready to be sent; what is not given is null."""
    given = {"driver_id": 1, "event_timestamp": stamp(), "created": stamp(), **dict.fromkeys(STATS_FIELDS), **values}
    return {name: [value] for name, value in given.items()}


FULL = {
    "trips": 2**53 + 1,
    "small": -(2**31),
    "rating": 1 / 3,
    "rough": 0.1,
    "home": 'Grüße "x"\n北京',
    "active": True,
    "seen": 1_700_000_000,
    "recent": [1, -2, 2**40],
    "words": ["a", "", "ü"],
}


def labels_row(driver):
    times = {"event_timestamp": [stamp()], "created": [stamp()]}
    return {"driver_id": [driver], "good": [1], "labeler": ["me"], **times}


def without(row, *names):
    return {name: column for name, column in row.items() if name not in names}


def several(rows):
    return {name: [value for row in rows for value in row[name]] for name in rows[0]}


def pushes():
    """
    Bodies of POST /push by name; `df` alone means the source `stats_push`.

    Where Feast refuses what others may take, or keeps another row, "... again" sends the same rows in words that Feast takes.
    Afterwards both have to hold the same.
    """
    row = stats_row(**FULL)
    several_rows = several([stats_row(driver_id=i, trips=i * 10, home=f"h{i}") for i in range(2, 7)])
    newest = stats_row(driver_id=8, trips=2, event_timestamp=stamp(hours=2))
    many = range(3000)
    huge = {name: [None] * len(many) for name in row} | {
        "driver_id": [1000 + i for i in many],
        "trips": list(many),
        "event_timestamp": [stamp(seconds=i) for i in many],
        "created": [stamp()] * len(many),
    }
    both = {"driver_id": [1, 2], "a": [5, 6], "b": ["x", None], "c": [0.5, None]}
    both |= {"event_timestamp": [stamp()] * 2, "created": [stamp()] * 2}
    half = {**both, "driver_id": [3, 4]}
    return {
        "every type": row,
        "nulls": stats_row(driver_id=10),
        "several rows": several_rows,
        "older": stats_row(trips=1, event_timestamp=stamp(hours=-1)),
        "every type again": row,
        "the same time": stats_row(driver_id=2, trips=21),
        "newer, with nulls": stats_row(driver_id=3, trips=31, event_timestamp=stamp(seconds=2)),
        "microseconds": stats_row(driver_id=7, trips=71, event_timestamp="2025-01-01T00:00:00.123456+02:00"),
        "another driver twice": several([newest, stats_row(driver_id=8, trips=1)]),
        "another driver twice again": newest,
        "empty lists": stats_row(driver_id=9, recent=[], words=[]),
        "a long list": stats_row(driver_id=11, recent=list(range(20_000))),
        "nulls in lists": stats_row(driver_id=12, recent=[1, None], words=["a", None]),
        "nulls in lists again": stats_row(driver_id=12, recent=[1, 0], words=["a", ""]),
        "numbers as text": stats_row(driver_id=13, trips="12", small="3"),
        "a fraction for an integer": stats_row(driver_id=14, trips=1.5),
        "an integer for a float": stats_row(driver_id=15, rating=3, rough=4),
        "a number for text": stats_row(driver_id=16, home=5),
        "words for a number": stats_row(driver_id=17, trips="many"),
        "a list for a number": stats_row(driver_id=22, trips=[1], home="x"),
        "a list for a number again": stats_row(driver_id=22, home="x"),
        "a float as text": stats_row(driver_id=20, rating="1.5"),
        "a float as text again": stats_row(driver_id=20, rating=1.5),
        "an integer beyond 64 bits": stats_row(driver_id=17, trips=2**64),
        "an integer beyond 32 bits": stats_row(driver_id=17, small=2**40),
        "a null key": stats_row(driver_id=None),
        "text for the key": stats_row(driver_id="18", trips=18),
        "words for the key": stats_row(driver_id="me"),
        "without a feature": without(row, "trips"),
        "without the key": without(row, "driver_id"),
        "without event timestamps": without(row, "event_timestamp"),
        "without created timestamps": without(row, "created"),
        "a column too many": {**stats_row(driver_id=19, trips=19), "nobody": [1]},
        "no time at all": stats_row(driver_id=17, event_timestamp=None),
        "a time that is none": stats_row(driver_id=17, event_timestamp="yesterday"),
        "no rows": {name: [] for name in row},
        "no columns": {},
        "columns of different lengths": {**row, "trips": [1, 2]},
        "many rows": huge,
        "an unknown source": {"push_source_name": "nobody", "df": row},
        "two views": {"push_source_name": "both_push", "df": both},
        # Feast takes the views of a source in no order: the one that can take it has the rows afterwards, or has not.
        "two views, one of which cannot take it": {"push_source_name": "both_push", "df": {**half, "c": [1, "nothing"]}},
        "two views, one of which cannot take it again": {"push_source_name": "both_push", "df": half},
        "labels": {"push_source_name": "labels_push", "df": labels_row(1)},
        "to the offline store": {"push_source_name": "stats_push", "df": row, "to": "offline"},
        "to nowhere": {"push_source_name": "stats_push", "df": row, "to": "nowhere"},
        "without a frame": {"push_source_name": "stats_push"},
        "without a source": {"df": row},
        "rows for a frame": {"push_source_name": "stats_push", "df": [row]},
        "a number for a source": {"push_source_name": 5, "df": row},
        "words for a flag": {"push_source_name": "stats_push", "df": stats_row(driver_id=17), "allow_registry_cache": "maybe"},
    }


def writes():
    """Bodies of POST /write-to-online-store."""
    times = {"event_timestamp": [stamp()], "created": [stamp()]}
    one = {"driver_id": [1], **times}
    towns = {"town_name": ["Köln", "Bern", ""], "people": [1000, None, 7], **several([times] * 3)}
    pairs = {"driver_id": [1, 1, 2], "town_name": ["Köln", "Bern", "Köln"], "visits": [1, 2, 3], **several([times] * 3)}
    return {
        "towns": {"feature_view_name": "places", "df": towns},
        "pairs": {"feature_view_name": "pairs", "df": pairs},
        "a key of 32 bits": {"feature_view_name": "smalls", "df": {"small_id": [1, -1], "size": [1, 2], **several([times] * 2)}},
        "a key beyond 32 bits": {"feature_view_name": "smalls", "df": {"small_id": [2**40], "size": [1], **times}},
        "a mapped feature": {"feature_view_name": "mapped", "df": {**one, "good": [3]}},
        "a mapped column": {"feature_view_name": "mapped", "df": {**one, "driver_id": [2], "bad": [4]}},
        "a mapped column again": {"feature_view_name": "mapped", "df": {**one, "driver_id": [2], "good": [4]}},
        "JSON": {"feature_view_name": "notes", "df": {**one, "note": ["[1, 2.5]"]}},
        "labels": {"feature_view_name": "labels", "df": labels_row(2)},
        "of nobody": {"feature_view_name": "world", "df": {"rate": [9.5], **times}},
        "an unknown view": {"feature_view_name": "nobody", "df": one},
        "half of a key": {"feature_view_name": "pairs", "df": {**one, "visits": [1]}},
        "without a view": {"df": one},
    }


def materializations():
    """Path and body of what is materialized over HTTP."""
    window = {"start_ts": "2025-01-01T00:00:00", "end_ts": "2025-01-01T01:00:00"}
    tick = {"start_ts": "2025-01-01T02:00:00.000201", "end_ts": "2025-01-01T02:00:00.000233"}
    return {
        "a window": ("/materialize", {**window, "feature_views": ["batch0"]}),
        "a later window": ("/materialize", {**tick, "feature_views": ["batch0"]}),
        "hours with an offset": (
            "/materialize",
            {"start_ts": "2025-01-01T00:00:00+02:00", "end_ts": "2025-01-01T03:00:00+02:00", "feature_views": ["batch1"]},
        ),
        "an empty window": (
            "/materialize",
            {"start_ts": "2020-01-01T00:00:00", "end_ts": "2020-01-02T00:00:00", "feature_views": ["batch2"]},
        ),
        "what nobody is": ("/materialize", {**window, "end_ts": "2025-01-02", "feature_views": ["world"]}),
        "backwards": ("/materialize", {"start_ts": window["end_ts"], "end_ts": window["start_ts"], "feature_views": ["batch2"]}),
        "no start": ("/materialize", {"end_ts": window["end_ts"], "feature_views": ["batch2"]}),
        "no window": ("/materialize", {"feature_views": ["batch2"]}),
        "words for a window": ("/materialize", {"start_ts": "soon", "end_ts": "later", "feature_views": ["batch2"]}),
        "a list for views": ("/materialize", {**window, "feature_views": "batch2"}),
        "labels": ("/materialize", {**window, "feature_views": ["labels"]}),
        "a computed view": ("/materialize", {**window, "feature_views": ["computed"]}),
        "an unknown view": ("/materialize", {**window, "feature_views": ["nobody"]}),
        "no views": ("/materialize", {**window, "feature_views": []}),
        "further": ("/materialize-incremental", {"end_ts": "2025-01-09T00:00:00", "feature_views": ["batch0"]}),
        "nothing further": ("/materialize-incremental", {"end_ts": "2025-01-09T00:00:00", "feature_views": ["batch0"]}),
        "no end": ("/materialize-incremental", {"feature_views": ["batch0"]}),
        "all there is": ("/materialize", {"disable_event_timestamp": True, "feature_views": ["batch3"]}),
    }


ALL_STATS = [f"stats:{name}" for name in STATS_FIELDS]


def reads():
    """Requests by name: features or a service, and entities."""

    def ask(features, entities, **more):
        return {("feature_service" if isinstance(features, str) else "features"): features, "entities": entities, **more}

    one = {"driver_id": [1]}
    deal = {"buyer_town": ["Köln", "Bern"], "seller_town": ["Bern", "Rom"]}
    asked = {"driver_id": [1, 2, 10], "factor": [0.5, 1.5, 2.5], "bonus": [1, 2, 3]}
    bonus = without(asked, "driver_id")
    two = {name: column[:2] for name, column in asked.items()}
    return {
        "one feature": ask(["stats:trips"], one),
        "every type": ask(ALL_STATS, {"driver_id": [1, 2, 3, 7, 8, 10, 12, 50, 51, 60]}),
        "empty lists": ask(ALL_STATS, {"driver_id": [9]}),
        "what was pushed oddly": ask(ALL_STATS, {"driver_id": [13, 14, 15, 16, 17, 18, 19, 20, 22]}),
        "a long list": ask(["stats:recent"], {"driver_id": [11]}),
        "full names": ask(["stats:trips", "left:a", "right:a"], {"driver_id": [1, 2]}, full_feature_names=True),
        "an entity that is not there": ask(["stats:trips", "stats:home"], {"driver_id": [1, 999]}),
        "rows twice": ask(["stats:trips"], {"driver_id": [2, 1, 2]}),
        "many rows": ask(["stats:trips"], {"driver_id": list(range(1000, 4000))}),
        "two entities": ask(["stats:trips", "places:people"], {"driver_id": [1, 2], "town_name": ["Köln", "Rom"]}),
        "a key of two parts": ask(["pairs:visits"], {"town_name": ["Köln", "Bern"], "driver_id": [2, 2]}),
        "half of a key": ask(["pairs:visits"], one),
        "an empty text": ask(["places:people"], {"town_name": ["", "Bern"]}),
        "a key of 32 bits": ask(["smalls:size"], {"small_id": [1, -1]}),
        "a key beyond 32 bits": ask(["smalls:size"], {"small_id": [2**40]}),
        "what belongs to nobody": ask(["world:rate"], one),
        "what belongs to nobody beside others": ask(["stats:trips", "world:rate"], {"driver_id": [1, 2]}),
        "what was materialized": ask(
            ["batch0:score", "batch0:word", "batch0:many"], {"driver_id": list(range(0, 100, 9))}, full_feature_names=True
        ),
        "what was never materialized": ask(["batch4:score"], one),
        "labels": ask(["labels:good", "labels:labeler"], {"driver_id": [1, 2]}),
        "a mapped feature": ask(["mapped:good"], {"driver_id": [1, 2]}),
        "a service": ask("everything", {"driver_id": [1, 2], "town_name": ["Köln", "Bern"]}),
        "some of two views": ask("some", {"driver_id": [1, 2]}),
        "some of two views, full names": ask("some", {"driver_id": [1, 2]}, full_feature_names=True),
        "an alias": ask("aliased", {"driver_id": [1], "town_name": ["Köln"]}),
        "an alias, full names": ask("aliased", {"driver_id": [1], "town_name": ["Köln"]}, full_feature_names=True),
        "one view twice": ask("deal", deal, full_feature_names=True),
        "one view twice, short names": ask("deal", deal),
        "an alias without a service": ask(["numbers:trips"], one),
        "an unknown service": ask("nobody", one),
        "an unknown view": ask(["nobody:trips"], one),
        "an unknown feature": ask(["stats:nothing"], one),
        "an unknown feature beside others": ask(["stats:trips", "stats:nothing", "places:people"], one),
        "no colon": ask(["trips"], one),
        "nothing before the colon": ask([":trips"], one),
        "no features": ask([], one),
        "an empty reference": ask([""], one),
        "a feature twice": ask(["stats:trips", "stats:trips"], one),
        "two features of one name": ask(["left:a", "right:a"], one),
        "no key": ask(["stats:trips"], {"town_name": ["Köln"]}),
        "no entities": ask(["stats:trips"], {}),
        "no rows": ask(["stats:trips"], {"driver_id": []}),
        "a null key": ask(["stats:trips"], {"driver_id": [1, None]}),
        "columns of different lengths": ask(["stats:trips"], {"driver_id": [1, 2], "town_name": ["Köln"]}),
        "a column too many": ask(["stats:trips"], {"driver_id": [1], "nobody": [5]}),
        "a column of another view": ask(["stats:trips"], {"driver_id": [1], "town_name": ["Köln"]}),
        "the name of the entity": ask(["stats:trips"], {"driver": [1]}),
        "digits for an integer": ask(["stats:trips"], {"driver_id": ["1"]}),
        "words for an integer": ask(["stats:trips"], {"driver_id": ["me"]}),
        "a whole float for an integer": ask(["stats:trips"], {"driver_id": [2.0]}),
        "a fraction for an integer": ask(["stats:trips"], {"driver_id": [2.5]}),
        "a truth for an integer": ask(["stats:trips"], {"driver_id": [True]}),
        "a number for a text": ask(["places:people"], {"town_name": [7]}),
        "a list for an integer": ask(["stats:trips"], {"driver_id": [[1, 2]]}),
        "computed": ask(["computed:scaled", "computed:total", "computed:label"], asked),
        "computed beside stored, full names": ask(["stats:trips", "computed:total"], asked, full_feature_names=True),
        "computed in a service": ask("on_demand", asked),
        "computed of an entity that is not there": ask(["computed:total"], {**asked, "driver_id": [1, 2, 999]}),
        "computed without request data": ask(["computed:total"], one),
        "computed without half of the request data": ask(["computed:total"], without(asked, "bonus")),
        "JSON": ask(["notes:note"], {"driver_id": [1, 2]}),
        "computed of two": ask(["computed:total"], two),
        "computed beside JSON": ask(["notes:note", "computed:total"], two),
        "computed of a mapped view": ask("relief", {"reserve": [1, 2, 5], **bonus}),
        "computed of a mapped view by its own key": ask("relief", {"driver_id": [1, 2, 5], **bonus}),
        "computed of a mapped view by both keys": ask("relief", {"reserve": [2, 1, 5], "driver_id": [1, 2, 5], **bonus}),
        "computed before a mapped view": ask("relief_last", {"reserve": [2, 1, 5], "driver_id": [1, 2, 5], **bonus}),
        "computed before a mapped view, by its column": ask("relief_last", {"reserve": [1, 2, 5], **bonus}),
        "a mapped view in halves": ask("halves", {"reserve": [1, 2]}),
        "a mapped view in halves, by its own key": ask("halves", {"driver_id": [1, 2]}),
        "an unknown output": ask(["computed:nothing"], asked),
        "computed in Python": ask(["in_python:other"], {"driver_id": [1, 2]}),
    }


def bodies():
    """Further requests of HTTP: method, path, body as text."""
    ask = '"features": ["stats:trips"]'
    return {
        "no JSON": ("POST", "/get-online-features", "{nonsense"),
        "no body": ("POST", "/get-online-features", ""),
        "a list": ("POST", "/get-online-features", "[1]"),
        "no entities at all": ("POST", "/get-online-features", "{%s}" % ask),
        "text for features": ("POST", "/get-online-features", '{"features": "stats:trips", "entities": {"driver_id": [1]}}'),
        "numbers for features": ("POST", "/get-online-features", '{"features": [1], "entities": {"driver_id": [1]}}'),
        "a number for entities": ("POST", "/get-online-features", '{%s, "entities": 5}' % ask),
        "a number for a column": ("POST", "/get-online-features", '{%s, "entities": {"driver_id": 1}}' % ask),
        "words for full names": (
            "POST", "/get-online-features", '{%s, "entities": {"driver_id": [1]}, "full_feature_names": "perhaps"}' % ask,
        ),
        "yes for full names": (
            "POST", "/get-online-features", '{%s, "entities": {"driver_id": [1]}, "full_feature_names": "yes"}' % ask,
        ),
        "null for a service": (
            "POST", "/get-online-features", '{%s, "feature_service": null, "entities": {"driver_id": [1]}}' % ask,
        ),
        "a number for a service": ("POST", "/get-online-features", '{"feature_service": 5, "entities": {"driver_id": [1]}}'),
        "an unknown key": ("POST", "/get-online-features", '{%s, "entities": {"driver_id": [1]}, "nobody": 1}' % ask),
        "a key twice": ("POST", "/get-online-features", '{%s, "entities": {"driver_id": [2], "driver_id": [1]}}' % ask),
        "a service and features": (
            "POST", "/get-online-features", '{%s, "feature_service": "some", "entities": {"driver_id": [1]}}' % ask,
        ),
        "another method": ("GET", "/get-online-features", ""),
        "another method for push": ("PUT", "/push", "{}"),
        "an unknown path": ("GET", "/nowhere", ""),
        "an unknown path to post to": ("POST", "/nowhere", "{}"),
        "health": ("GET", "/health", ""),
        "HEAD for health": ("HEAD", "/health", ""),
        "no JSON to push": ("POST", "/push", "nonsense"),
        "no JSON to write": ("POST", "/write-to-online-store", '{"feature_view_name": '),
        "no JSON to materialize": ("POST", "/materialize", "nonsense"),
    }


class Script:
    # Of every request over HTTP, and of every call over gRPC.
    headers = {}
    metadata = []

    def __init__(self, repo, url, address):
        if repo is not None:
            with contextlib.redirect_stdout(sys.stderr):
                self.store = FeatureStore(repo_path=repo)
        self.url = url
        options = [("grpc.max_receive_message_length", 1 << 28), ("grpc.max_send_message_length", 1 << 28)]
        self.channel = grpc.insecure_channel(address, options=options)
        self.stub = GrpcServer_pb2_grpc.GrpcFeatureServerStub(self.channel)
        self.steps = []

    def step(self, name, action):
        with contextlib.redirect_stdout(sys.stderr):
            try:
                outcome = action()
            except grpc.RpcError as error:
                outcome = {"failed": error.code().name, "class": "", "message": error.details()}
            except Exception as error:  # noqa: BLE001: which class is raised is what is being looked at
                outcome = {"failed": "raised", "class": type(error).__name__, "message": str(error)}
        self.steps.append([name, outcome])

    def http(self, method, path, body):
        data = body if isinstance(body, str) else json.dumps(body)
        # Feast's server breaks its connection after a 500, so each request has its own.
        headers = {"content-type": "application/json", "connection": "close", **self.headers}
        answer = requests.request(method, self.url + path, data=data.encode(), headers=headers, timeout=60)
        text = answer.text
        found = json.loads(text, parse_int=str, parse_float=str, parse_constant=str) if text else ""
        if answer.status_code >= 400:
            return http_failure(answer.status_code, found)
        if isinstance(found, dict) and "results" in found:
            names = found["metadata"].pop("feature_names")
            columns = [
                [name, column["values"], column["statuses"], column.get("event_timestamps", [])]
                for name, column in zip(names, found["results"], strict=True)
            ]
            return {"columns": columns, "more": found["metadata"]}
        return {"done": answer.status_code, "body": found}

    def by_sdk(self, request):
        service = request.get("feature_service")
        entities = request["entities"]
        count = max((len(column) for column in entities.values()), default=0)
        answer = self.store.get_online_features(
            features=self.store.get_feature_service(service) if service else request["features"],
            entity_rows=[{name: column[i] for name, column in entities.items()} for i in range(count)],
            full_feature_names=request.get("full_feature_names", False),
        )
        return columns_of(answer.proto)

    def by_grpc(self, request):
        message = ServingService_pb2.GetOnlineFeaturesRequest(full_feature_names=request.get("full_feature_names", False))
        if "feature_service" in request:
            message.feature_service = request["feature_service"]
        else:
            message.features.val.extend(request["features"])
        for name, column in request["entities"].items():
            message.entities[name].val.extend(value_of(item) for item in column)
        return columns_of(self.stub.GetOnlineFeatures(message, timeout=60, metadata=self.metadata))

    def until(self, name, action):
        """Repeats what a server can only do when it has seen a registry that changed."""
        started = time.monotonic()
        while True:
            try:
                if "failed" not in action():
                    break
            except grpc.RpcError:
                pass
            if time.monotonic() - started > PATIENCE_SECONDS:
                break
            time.sleep(0.2)
        self.step(name, action)

    def write(self):
        for name, body in pushes().items():
            sent = body if "push_source_name" in body or "df" in body else {"push_source_name": "stats_push", "df": body}
            self.step(f"HTTP push: {name}", lambda: self.http("POST", "/push", sent))
        for name, body in writes().items():
            self.step(f"HTTP write: {name}", lambda: self.http("POST", "/write-to-online-store", body))
        again = {"push_source_name": "labels_push", "df": labels_row(2)}
        self.step("HTTP push: labels again", lambda: self.http("POST", "/push", again))
        self.write_by_grpc()
        self.write_by_sdk()
        for name, (path, body) in materializations().items():
            self.step(f"HTTP materialize: {name}", lambda: self.http("POST", path, body))

    def write_by_grpc(self):
        def push(source, to="online", features=None, typed=None):
            request = GrpcServer_pb2.PushRequest(
                stream_feature_view=source, to=to, features=features or {}, typed_features=typed or {}
            )
            return {"done": str(self.stub.Push(request, timeout=60).status), "body": ""}

        def write(target, features=None, typed=None):
            request = GrpcServer_pb2.WriteToOnlineStoreRequest(
                feature_view_name=target, features=features or {}, typed_features=typed or {}
            )
            return {"done": str(self.stub.WriteToOnlineStore(request, timeout=60).status), "body": ""}

        times = {"event_timestamp": Value(string_val=stamp()), "created": Value(string_val=stamp())}
        typed = {
            "driver_id": Value(int64_val=50),
            "trips": Value(int64_val=2**60),
            "small": Value(int32_val=-5),
            "rating": Value(double_val=0.1),
            "rough": Value(float_val=0.1),
            "home": Value(string_val="Köln"),
            "active": Value(bool_val=False),
            "seen": Value(unix_timestamp_val=1_700_000_000),
            "recent": Value(int64_list_val=Int64List(val=[1, 2])),
            "words": Value(string_list_val=StringList(val=["a", ""])),
            **times,
        }
        nulls = {**dict.fromkeys(STATS_FIELDS, Value()), "driver_id": Value(int64_val=51), **times}
        texts = {"town_name": "Ulm", "people": "12", "event_timestamp": stamp(), "created": stamp()}
        self.step("gRPC push: typed", lambda: push("stats_push", typed=typed))
        self.step("gRPC push: nulls", lambda: push("stats_push", typed=nulls))
        self.step("gRPC push: without a feature", lambda: push("stats_push", typed=without(typed, "trips")))
        self.step("gRPC push: an unknown source", lambda: push("nobody", typed=typed))
        self.step("gRPC push: to nowhere", lambda: push("stats_push", to="nowhere", typed=typed))
        self.step("gRPC push: both kinds", lambda: push("stats_push", features=texts, typed=typed))
        self.step("gRPC push: nothing", lambda: push("stats_push"))
        self.step("gRPC write: texts", lambda: write("places", features=texts))
        self.step("gRPC write: words for a number", lambda: write("places", features={**texts, "people": "many"}))
        self.step("gRPC write: an unknown view", lambda: write("nobody", features=texts))

    def write_by_sdk(self):
        store = self.store

        def frame(**columns):
            rows = len(next(iter(columns.values())))
            return pd.DataFrame({**columns, "event_timestamp": [DAY] * rows, "created": [DAY] * rows})

        stats = dict.fromkeys(STATS_FIELDS, [None, None]) | {"driver_id": [60, 61], "trips": [1, 2], "home": ["a", None]}
        steps = {
            "push": lambda: store.push("stats_push", frame(**stats)),
            "push to two views": lambda: store.push("both_push", frame(driver_id=[60], a=[7], b=["z"], c=[0.25])),
            "push to an unknown source": lambda: store.push("nobody", frame(driver_id=[1])),
            "push without a feature": lambda: store.push("both_push", frame(driver_id=[1], b=["z"])),
            "write": lambda: store.write_to_online_store("pairs", frame(driver_id=[60], town_name=["Rom"], visits=[9])),
            "write to an unknown view": lambda: store.write_to_online_store("nobody", frame(driver_id=[1])),
            "write words for a number": lambda: store.write_to_online_store(
                "pairs", frame(driver_id=[60], town_name=["Rom"], visits=["many"])
            ),
            "write no rows": lambda: store.write_to_online_store("pairs", frame(driver_id=[], town_name=[], visits=[])),
            "materialize": lambda: store.materialize(DAY, DAY + timedelta(hours=1), feature_views=["batch5"]),
            "materialize further": lambda: store.materialize_incremental(DAY + timedelta(hours=3), feature_views=["batch5"]),
            "materialize an unknown view": lambda: store.materialize(DAY, DAY + timedelta(hours=1), feature_views=["nobody"]),
            # The last, since Feast breaks the connection that the SDK would use again.
            "materialize backwards": lambda: store.materialize(DAY, DAY - timedelta(hours=1), feature_views=["batch5"]),
        }
        for name, action in steps.items():
            self.step(f"SDK: {name}", lambda: {"done": repr(action()), "body": ""})

    def read(self):
        for name, request in reads().items():
            self.step(f"HTTP read: {name}", lambda: self.http("POST", "/get-online-features", request))
            # The SDK has rows, which are all of one length; its answer to many is as long.
            if name not in ("columns of different lengths", "no rows"):
                self.step(f"SDK read: {name}", lambda: self.by_sdk(request))
        for name, (method, path, body) in bodies().items():
            self.step(f"HTTP: {name}", lambda: self.http(method, path, body))
        # A gRPC server of its own process has to see first that the views were materialized.
        self.until("gRPC read: settled", lambda: self.by_grpc(reads()["what was materialized"]))
        for name, request in reads().items():
            self.step(f"gRPC read: {name}", lambda: self.by_grpc(request))

    def ask_around(self):
        """What is neither a read of features nor a write."""
        ask = {**reads()["some of two views"], "include_feature_view_version_metadata": True}
        self.step("HTTP: versions of the views", lambda: self.http("POST", "/get-online-features", ask))
        search = {"features": ["stats:trips"], "query": [0.5, 0.5], "top_k": 1}
        for path in ["/search", "/retrieve-online-documents"]:
            self.step(f"HTTP: POST {path}", lambda: self.http("POST", path, search))
        self.step("HTTP: GET /v1/vector_stores", lambda: self.http("GET", "/v1/vector_stores", ""))
        check = health_pb2_grpc.HealthStub(self.channel).Check
        self.step("gRPC: health", lambda: {"done": str(check(health_pb2.HealthCheckRequest(), timeout=60).status), "body": ""})
        window = {"start_ts": stamp(), "end_ts": stamp(hours=1), "feature_views": ["batch2"]}
        self.step("HTTP: materialize in the background", lambda: self.http("POST", "/materialize?async=true", window))
        read = {"features": ["batch2:score"], "entities": {"driver_id": [1]}}

        def arrived():
            answer = self.http("POST", "/get-online-features", read)
            is_there = answer.get("columns", [["", [None]], ["", [None]]])[1][1] != [None] and self.is_recorded("batch2", DAY + timedelta(hours=1))
            return answer if is_there else {"failed": "yet", "message": answer}

        self.until("HTTP: materialized in the background", arrived)

    def server_store(self):
        """The repository of the server, as a command on its machine opens it."""
        return FeatureStore(repo_path=self.store.config.repo_path.parent / "server")

    def is_recorded(self, view, end):
        """Whether the server has written down that it materialized so far: an `apply` beside that would undo it, with Feast's servers too."""
        return any(until == end for _, until in self.server_store().get_feature_view(view).materialization_intervals)

    def change(self):
        """A view comes while the servers run, and one goes."""
        news = {"driver_id": [1], "news": [5], "event_timestamp": [stamp()], "created": [stamp()]}
        push = {"push_source_name": "later_push", "df": news}
        ask = {"features": ["later:news"], "entities": {"driver_id": [1, 2]}}
        self.step("change: before", lambda: self.http("POST", "/get-online-features", ask))
        with contextlib.redirect_stdout(sys.stderr):
            # As `feast apply` does on the server's machine, where the tables of SQLite are made.
            self.server_store().apply([LATER])
        self.until("change: push", lambda: self.http("POST", "/push", push))
        self.until("change: read", lambda: self.http("POST", "/get-online-features", ask))
        self.until("change: read by gRPC", lambda: self.by_grpc(ask))


def http_failure(status, found):
    try:
        named = json.loads(found)
        return {"failed": status, "class": named["class"], "message": named["message"]}
    except (TypeError, ValueError, KeyError):
        pass
    if isinstance(found, dict) and isinstance(found.get("detail"), list):
        issues = [{"type": i["type"], "loc": i["loc"], "msg": i["msg"]} for i in found["detail"]]
        return {"failed": status, "class": "detail", "message": issues}
    if isinstance(found, dict):
        return {"failed": status, "class": "detail", "message": found.get("detail")}
    return {"failed": status, "class": "", "message": found}


def columns_of(response):
    columns = [
        [
            name,
            [text_format.MessageToString(v, as_one_line=True) for v in column.values],
            [ServingService_pb2.FieldStatus.Name(s) for s in column.statuses],
            [t.seconds + t.nanos / 1e9 for t in column.event_timestamps],
        ]
        for name, column in zip(response.metadata.feature_names.val, response.results, strict=True)
    ]
    return {"columns": columns, "more": {}}


def value_of(item):
    if item is None:
        return Value()
    if isinstance(item, bool):
        return Value(bool_val=item)
    if isinstance(item, list):
        return Value(int64_list_val=Int64List(val=item))
    if isinstance(item, float):
        return Value(double_val=item)
    return Value(int64_val=item) if isinstance(item, int) else Value(string_val=item)


def run(repo, url, address):
    script = Script(repo, url, address)
    script.write()
    script.read()
    script.ask_around()
    script.change()
    print(json.dumps(script.steps))


def commands(repo):
    from click.testing import CliRunner
    from feast.cli.cli import cli

    codes = []
    for arguments in json.load(sys.stdin):
        result = CliRunner().invoke(cli, ["-c", repo, *arguments])
        codes.append(result.exit_code)
        print(arguments, result.exit_code, result.output, result.exception, file=sys.stderr)
    print(json.dumps(codes))


if __name__ == "__main__":
    {"make": make, "run": run, "commands": commands}[sys.argv[1]](*sys.argv[2:])
