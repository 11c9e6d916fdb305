"""Makes a feature repository with random histories, and entity rows to join them to.

Usage: define_history.py DIRECTORY SEED DATA. DATA is the folder of the loan tables. The directory gets `data/`, `registry.db`,
`feature_store.yaml`, `entities.parquet` (every key given, no two rows equal) and `entities_nulls.parquet` (some keys null,
some rows twice). Both have a column `row`.
"""

import contextlib
import datetime as dt
import os
import random
import sys
from datetime import timedelta

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Float64, Int64, String

UTC = dt.timezone.utc
START = dt.datetime(2024, 1, 1, tzinfo=UTC)
PEOPLE, SHOPS, DAYS = 40, 5, 60

USER = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
SHOP = Entity(name="shop", join_keys=["shop"], value_type=ValueType.STRING)
ZIPCODE = Entity(name="zipcode", join_keys=["zipcode"], value_type=ValueType.INT64)
PERSON = Entity(name="dob_ssn", join_keys=["dob_ssn"], value_type=ValueType.STRING)


def day(number, seconds=0):
    return START + timedelta(days=number, seconds=seconds)


def source(name, columns, **options):
    table = pa.table(columns)
    path = os.path.abspath(f"data/{name}.parquet")
    pq.write_table(table, path)
    return FileSource(name=f"{name}_source", path=path, timestamp_field=options.pop("timestamp_field", "ts"), **options)


def history(rng, count, keys, ties=True):
    """Rows of which no two have the same key, event and (with `ties`) created timestamp."""
    rows = {}
    while len(rows) < count:
        key = tuple(rng.choice(values) for values in keys)
        event = rng.randrange(DAYS)
        created = event + rng.choice([0, 0, 0, 1, 2, 10])
        rows[(key, event, created if ties else 0)] = created
    rows = sorted(((key, event, created) for (key, event, _), created in rows.items()), key=lambda _: rng.random())
    return [r[0] for r in rows], [day(r[1]) for r in rows], [day(r[2], rng.choice([0, 3600])) for r in rows]


def micros(values, zone="UTC"):
    return pa.array([v if zone else v.replace(tzinfo=None) for v in values], pa.timestamp("us", zone))


def random_views(rng):
    user = Field(name="user_id", dtype=Int64)
    users = list(range(PEOPLE))
    shops = [f"shop-{i}" for i in range(SHOPS)]
    # Whole days, or less than one: the SDK cannot join with "1 day and 12 hours" through DuckDB.
    ttls = [timedelta(0), timedelta(days=1), timedelta(days=7), timedelta(days=30), timedelta(hours=5)]

    def numbers(count):
        return [None if rng.random() < 0.1 else rng.randrange(1000) for _ in range(count)]

    keys, event, created = history(rng, 600, [users], ties=False)
    yield FeatureView(
        name="plain", entities=[USER], ttl=rng.choice(ttls), schema=[user, Field(name="a", dtype=Int64), Field(name="t", dtype=String)],
        source=source("plain", {"user_id": [k[0] for k in keys], "ts": micros(event), "a": pa.array(numbers(600), pa.int64()), "t": [f"t{i}" for i in range(600)]}),
    )
    keys, event, created = history(rng, 600, [users], ties=False)
    yield FeatureView(
        name="late", entities=[USER], ttl=rng.choice(ttls), schema=[user, Field(name="e", dtype=Int64)],
        source=source(
            "late", {"user_id": [k[0] for k in keys], "ts": micros(event), "made": micros(created), "e": list(range(600))},
            created_timestamp_column="made",
        ),
    )
    keys, event, created = history(rng, 800, [users])
    yield FeatureView(
        name="versions", entities=[USER], ttl=rng.choice(ttls), schema=[user, Field(name="b", dtype=Float64)],
        source=source(
            "versions", {"user_id": [k[0] for k in keys], "ts": micros(event, None), "made": micros(created, None), "b": [float(i) for i in range(800)]},
            created_timestamp_column="made",
        ),
    )
    keys, event, created = history(rng, 900, [users, shops])
    yield FeatureView(
        name="pairs", entities=[USER, SHOP], ttl=rng.choice(ttls), schema=[user, Field(name="shop", dtype=String), Field(name="c", dtype=Int64)],
        source=source(
            "pairs", {"uid": pa.array([k[0] for k in keys], pa.int32()), "shop": [k[1] for k in keys], "at": micros(event), "made": micros(created), "src": list(range(900))},
            timestamp_field="ts", created_timestamp_column="made", field_mapping={"uid": "user_id", "at": "ts", "src": "c"},
        ),
    )
    keys, event, created = history(rng, 25, [[0]])
    yield FeatureView(
        name="world", entities=[], ttl=rng.choice(ttls), schema=[Field(name="d", dtype=Int64)],
        source=source("world", {"ts": micros(event), "made": micros(created), "d": list(range(25))}, created_timestamp_column="made"),
    )


def loan_views(data):
    credit = pd.read_csv(f"{data}/credit_history_sample.csv")
    for column in ("event_timestamp", "created_timestamp"):
        credit[column] = pd.to_datetime(credit[column], utc=True)
    pq.write_table(pa.Table.from_pandas(credit, preserve_index=False), "data/credit_history.parquet")
    times = {"timestamp_field": "event_timestamp", "created_timestamp_column": "created_timestamp"}
    zipcodes = FileSource(name="zipcodes", path=f"{data}/zipcode_table.parquet", **times)
    credits = FileSource(name="credits", path=os.path.abspath("data/credit_history.parquet"), **times)
    zipcode, person = Field(name="zipcode", dtype=Int64), Field(name="dob_ssn", dtype=String)
    for days in (1332, 1500, 1600, 3650):
        schema = [zipcode, Field(name="city", dtype=String), Field(name="population", dtype=Int64), Field(name="total_wages", dtype=Int64)]
        yield FeatureView(name=f"zip_{days}", entities=[ZIPCODE], ttl=timedelta(days=days), schema=schema, source=zipcodes)
    for days in (200, 365, 487):
        schema = [person, Field(name="credit_card_due", dtype=Int64), Field(name="mortgage_due", dtype=Int64), Field(name="hard_pulls", dtype=Int64)]
        yield FeatureView(name=f"credit_{days}", entities=[PERSON], ttl=timedelta(days=days), schema=schema, source=credits)


def entity_rows(rng, count, null_rate):
    rows = []
    for i in range(count):
        rows.append(
            {
                "row": i,
                "user_id": None if rng.random() < null_rate else rng.randrange(PEOPLE + 3),
                "friend_id": None if rng.random() < null_rate else rng.randrange(PEOPLE + 3),
                "shop": None if rng.random() < null_rate else f"shop-{rng.randrange(SHOPS + 1)}",
                # On the events' own moments now and then.
                "event_timestamp": day(rng.randrange(DAYS + 5), rng.choice([0, 0, 1, 3600]) + i * 1e-6 * (null_rate == 0)),
            }
        )
    if null_rate > 0:
        rows += [{**row, "row": count + i} for i, row in enumerate(rows[: count // 10])]
    return pa.Table.from_pylist(
        rows,
        pa.schema([("row", pa.int64()), ("user_id", pa.int64()), ("friend_id", pa.int64()), ("shop", pa.string()), ("event_timestamp", pa.timestamp("us", "UTC"))]),
    )


def main(directory, seed, data):
    os.makedirs(f"{directory}/data")
    os.chdir(directory)
    with open("feature_store.yaml", "w") as f:
        f.write("project: history\nprovider: local\nregistry: registry.db\nonline_store:\n  type: sqlite\n  path: online.db\nentity_key_serialization_version: 3\n")
    rng = random.Random(int(seed))
    views = list(random_views(rng))
    plain, _late, versions, _pairs, _world = views
    everything = FeatureService(name="everything", features=views)
    friends = FeatureService(
        name="friends",
        # The SDK cannot compare services that hold a view both with and without an alias.
        features=[plain, versions.with_name("friend").with_join_key_map({"user_id": "friend_id"}), versions.with_name("own")],
    )
    with contextlib.redirect_stdout(sys.stderr):
        FeatureStore(repo_path=directory).apply([USER, SHOP, ZIPCODE, PERSON, *views, *loan_views(data), everything, friends])
    pq.write_table(entity_rows(rng, 400, 0), "entities.parquet")
    pq.write_table(entity_rows(rng, 300, 0.1), "entities_nulls.parquet")
    loans = pq.read_table(f"{data}/loan_table.parquet").drop_columns(["created_timestamp"])
    pq.write_table(loans.append_column("row", pa.array(range(len(loans)), pa.int64())), "loans.parquet")


if __name__ == "__main__":
    main(*sys.argv[1:4])
