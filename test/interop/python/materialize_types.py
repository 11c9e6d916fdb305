"""Writes one Parquet file per value type, lets the Feast SDK materialize them, and prints what its SQLite store holds.

Usage: materialize_types.py DIRECTORY. The directory gets `data/*.parquet`, `registry.db` and `feature_store.yaml`;
stdout gets one JSON object per view: {"view": name, "rows": [[entity key hex, feature, value hex, event_ts]]}.
"""

import contextlib
import datetime as dt
import decimal
import json
import os
import sqlite3
import sys
from datetime import timedelta

import pyarrow as pa
import pyarrow.parquet as pq
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import (
    Array,
    Bool,
    Bytes,
    Decimal,
    Float32,
    Float64,
    ImageBytes,
    Int32,
    Int64,
    Json,
    Map,
    Set,
    String,
    Struct,
    TimeUuid,
    UnixTimestamp,
    Uuid,
)

UTC = dt.timezone.utc
WHEN = dt.datetime(2024, 1, 1, 2, 3, 4, 567891, tzinfo=UTC)
NAIVE = WHEN.replace(tzinfo=None)
BEFORE_1970 = dt.datetime(1969, 12, 31, 23, 59, 59, 500000)
UUID_TEXT = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
NAN = float("nan")
INF = float("inf")
D = decimal.Decimal


def micros(zone=None):
    return pa.timestamp("us", zone)


CASES = [
    ("int32", Int32, pa.array([1, -2, 0, None, 2**31 - 1], pa.int32())),
    ("int32_from_int64", Int32, pa.array([7, -(2**31)], pa.int64())),
    ("int32_from_int8", Int32, pa.array([1, None], pa.int8())),
    ("int64", Int64, pa.array([2**53 + 1, -(2**63), 2**63 - 1, 0], pa.int64())),
    ("int64_from_uint64", Int64, pa.array([1, 2**62], pa.uint64())),
    ("int64_from_double", Int64, pa.array([1.7, -1.7, NAN, 3.0], pa.float64())),
    ("int64_from_text", Int64, pa.array(["12", " 7 ", None, "+5"])),
    ("int64_from_bool", Int64, pa.array([True, False, None])),
    ("int64_from_decimal", Int64, pa.array([D("12.50"), D("-12.99"), None], pa.decimal128(10, 2))),
    ("float32", Float32, pa.array([0.1, NAN, INF, None, -0.0], pa.float32())),
    ("float32_from_double", Float32, pa.array([0.1, 1e300, -1e300, None], pa.float64())),
    ("float32_from_int", Float32, pa.array([1, 16777217], pa.int64())),
    ("float32_from_text", Float32, pa.array(["1.5", "-inf"])),
    ("float64", Float64, pa.array([0.1, NAN, -INF, -0.0, None, 5e-324], pa.float64())),
    ("float64_from_int", Float64, pa.array([1, 2**53 + 1], pa.int64())),
    ("float64_from_decimal", Float64, pa.array([D("12.50"), None], pa.decimal128(10, 2))),
    ("string", String, pa.array(["a", "", None, "ü\U0001f600", "nul\0nul"])),
    ("string_dictionary", String, pa.array(["a", "b", None]).dictionary_encode()),
    ("string_from_int", String, pa.array([1, -2], pa.int64())),
    (
        "string_from_double",
        String,
        pa.array([1.0, 1e22, 0.1, 1e16, 123456789012345.6, 1e-4, 1e-5, -2.5e-10, 0.0, -0.0, NAN, INF]),
    ),
    ("string_from_float", String, pa.array([0.1, 1.0, 3.4e38, 1e-5, 16777216.0, 0.3], pa.float32())),
    ("string_from_bool", String, pa.array([True, False, None])),
    ("string_from_timestamp", String, pa.array([WHEN, None], micros("UTC"))),
    ("string_from_nanoseconds", String, pa.array([NAIVE], pa.timestamp("ns"))),
    ("string_from_date", String, pa.array([dt.date(2024, 1, 2)])),
    (
        "string_from_decimal",
        String,
        pa.array([D("0.00000001"), D("12.5"), D("0E-8"), D("-0.0000001")], pa.decimal128(20, 8)),
    ),
    ("bytes", Bytes, pa.array([b"a", b"", None, b"\x00\xff"], pa.binary())),
    ("bytes_fixed", Bytes, pa.array([b"ab"], pa.binary(2))),
    ("image", ImageBytes, pa.array([b"\x89PNG"], pa.binary())),
    ("bool", Bool, pa.array([True, False, None])),
    ("bool_from_int", Bool, pa.array([1, 0, 2], pa.int64())),
    ("timestamp", UnixTimestamp, pa.array([WHEN, BEFORE_1970.replace(tzinfo=UTC), None], micros("UTC"))),
    ("timestamp_naive", UnixTimestamp, pa.array([NAIVE, BEFORE_1970, None], micros())),
    ("timestamp_nanoseconds", UnixTimestamp, pa.array([NAIVE, BEFORE_1970], pa.timestamp("ns"))),
    ("timestamp_milliseconds", UnixTimestamp, pa.array([NAIVE.replace(microsecond=0)], pa.timestamp("ms"))),
    ("timestamp_zoned", UnixTimestamp, pa.array([WHEN], micros("America/New_York"))),
    ("timestamp_from_date", UnixTimestamp, pa.array([dt.date(2024, 1, 2), None])),
    ("timestamp_from_int", UnixTimestamp, pa.array([1704067200, -5], pa.int64())),
    ("uuid", Uuid, pa.array([UUID_TEXT, UUID_TEXT.upper(), None])),
    ("time_uuid", TimeUuid, pa.array([UUID_TEXT])),
    ("decimal", Decimal, pa.array([D("12.50"), D("0.00"), None, D("-1.20")], pa.decimal128(10, 2))),
    ("decimal_small", Decimal, pa.array([D("0E-8"), D("0.00000001"), D("-0.0000001")], pa.decimal128(20, 8))),
    ("decimal_large", Decimal, pa.array([D("123456789012345678901234567890")], pa.decimal128(38, 0))),
    ("decimal_from_text", Decimal, pa.array(["1.50", "1E+3"])),
    ("json", Json, pa.array(['{"a": 1}', None, " [1] ", "NaN", '"x"'])),
    ("json_from_struct", Json, pa.array([{"a": 1, "b": 'ü"\x7f', "c": 1.5, "d": True, "n": {"x": None}}])),
    ("all_null_string", String, pa.array([None, None], pa.string())),
    ("all_null_int", Int64, pa.array([None, None], pa.int64())),
    ("all_null_timestamp", UnixTimestamp, pa.array([None], micros("UTC"))),
    ("null_type", Int64, pa.array([None], pa.null())),
    ("int64_list", Array(Int64), pa.array([[1, -2], [], None], pa.list_(pa.int64()))),
    ("int32_list", Array(Int32), pa.array([[1, 2], None], pa.list_(pa.int32()))),
    ("int64_list_from_int32", Array(Int64), pa.array([[1, -2]], pa.list_(pa.int32()))),
    ("float32_list", Array(Float32), pa.array([[0.5, NAN, None, INF], []], pa.list_(pa.float32()))),
    ("float32_list_from_double", Array(Float32), pa.array([[0.1, 1e300]], pa.list_(pa.float64()))),
    ("float32_list_fixed", Array(Float32), pa.array([[1, 2], [3, 4]], pa.list_(pa.float32(), 2))),
    ("float64_list", Array(Float64), pa.array([[0.1, NAN, None], None], pa.list_(pa.float64()))),
    ("float64_list_from_float", Array(Float64), pa.array([[0.1, 1.5]], pa.list_(pa.float32()))),
    ("string_list", Array(String), pa.array([["a", None, ""], [], None])),
    ("bytes_list", Array(Bytes), pa.array([[b"a", None, b""]], pa.list_(pa.binary()))),
    ("bool_list", Array(Bool), pa.array([[True, False], [], None])),
    ("bool_list_null", Array(Bool), pa.array([[True, None]])),
    ("timestamp_list", Array(UnixTimestamp), pa.array([[WHEN, None], [], None], pa.list_(micros("UTC")))),
    ("timestamp_list_naive", Array(UnixTimestamp), pa.array([[BEFORE_1970, NAIVE]], pa.list_(micros()))),
    ("timestamp_list_from_int", Array(UnixTimestamp), pa.array([[5, 6]], pa.list_(pa.int64()))),
    ("uuid_list", Array(Uuid), pa.array([[UUID_TEXT, None], []])),
    ("time_uuid_list", Array(TimeUuid), pa.array([[UUID_TEXT]])),
    ("decimal_list", Array(Decimal), pa.array([[D("1.50"), None], []], pa.list_(pa.decimal128(10, 2)))),
    ("decimal_list_from_text", Array(Decimal), pa.array([["1.50", None]])),
    ("json_list", Array(Json), pa.array([['{"a":1}', "[]"], [], None])),
    ("json_list_from_struct", Array(Json), pa.array([[{"a": 1}]])),
    ("int64_list_from_json_bytes", Array(Int64), pa.array([b"[1, -2]"], pa.binary())),
    ("int64_set", Set(Int64), pa.array([[3, 1, 3], [], None], pa.list_(pa.int64()))),
    ("int32_set", Set(Int32), pa.array([[3, 1, 3]], pa.list_(pa.int32()))),
    ("string_set", Set(String), pa.array([["b", "a", "b"], [], None])),
    ("float64_set", Set(Float64), pa.array([[1.5, 0.5, 1.5]])),
    ("float32_set", Set(Float32), pa.array([[1.5, 0.5, 1.5]], pa.list_(pa.float32()))),
    ("bytes_set", Set(Bytes), pa.array([[b"a", b"a"]], pa.list_(pa.binary()))),
    ("bool_set", Set(Bool), pa.array([[True, True]])),
    ("timestamp_set", Set(UnixTimestamp), pa.array([[WHEN, WHEN]], pa.list_(micros("UTC")))),
    ("uuid_set", Set(Uuid), pa.array([[UUID_TEXT, UUID_TEXT]])),
    ("decimal_set", Set(Decimal), pa.array([[D("1.50"), D("1.50")]], pa.list_(pa.decimal128(10, 2)))),
    ("map_from_struct", Map, pa.array([{"a": 1, "l": [1, 2], "n": {"x": 1}, "s": "t", "f": 1.5, "b": True, "z": None}])),
    (
        "map_from_typed_struct",
        Map,
        pa.array(
            [{"f": 1.5, "t": WHEN, "b": b"x", "i": 5, "li": [1, 2], "lf": [1.5], "ls": ["q"]}],
            pa.struct(
                [
                    ("f", pa.float32()),
                    ("t", micros("UTC")),
                    ("b", pa.binary()),
                    ("i", pa.int32()),
                    ("li", pa.list_(pa.int32())),
                    ("lf", pa.list_(pa.float32())),
                    ("ls", pa.list_(pa.string())),
                ]
            ),
        ),
    ),
    (
        "map_from_text",
        Map,
        pa.array(
            [
                '{"a": 1, "b": 1.5, "c": "x", "d": [1,2], "e": {"f": true}, "g": null, "h": [{"i": 1}], "j": [1.5], "k": ["x"]}',
                None,
            ]
        ),
    ),
    ("struct", Struct({"a": Int64, "b": String}), pa.array([{"a": 1, "b": "x"}])),
    ("struct_null_fields", Struct({"a": String}), pa.array([{"a": "x"}, {"a": None}, None])),
    ("struct_from_text", Struct({"a": Int64}), pa.array(['{"a": 1}', None])),
    ("map_list_from_text", Array(Map), pa.array(['[{"a": 1}]', None])),
    ("struct_list", Array(Struct({"a": Int64})), pa.array([[{"a": 1}, {"a": 2}], None])),
    ("struct_list_from_text", Array(Struct({"a": Int64})), pa.array(['[{"a": 1}]', None])),
    ("list_of_lists", Array(Array(Int64)), pa.array([[[1, 2], [], None], None, []], pa.list_(pa.list_(pa.int64())))),
    ("list_of_int32_lists", Array(Array(Int32)), pa.array([[[1, 2]]], pa.list_(pa.list_(pa.int32())))),
    ("list_of_float_lists", Array(Array(Float32)), pa.array([[[1, 2]]], pa.list_(pa.list_(pa.float32())))),
    ("list_of_string_lists", Array(Array(String)), pa.array([[["a"], ["b"]]])),
    ("list_of_bool_lists", Array(Array(Bool)), pa.array([[[True]]])),
    ("list_of_lists_of_lists", Array(Array(Array(Int64))), pa.array([[[[1]]]])),
    ("list_of_sets", Array(Set(Int64)), pa.array([[[1, 1]]], pa.list_(pa.list_(pa.int64())))),
    ("set_of_lists", Set(Array(Int64)), pa.array([[[1, 1], [1, 1]]], pa.list_(pa.list_(pa.int64())))),
]

YAML = """project: types
provider: local
registry: registry.db
online_store:
  type: sqlite
  path: feast.db
entity_key_serialization_version: 3
"""


def main(directory):
    os.makedirs(f"{directory}/data", exist_ok=True)
    with open(f"{directory}/feature_store.yaml", "w") as f:
        f.write(YAML)
    entity = Entity(name="id", join_keys=["id"], value_type=ValueType.INT64)
    views = []
    for name, dtype, column in CASES:
        count = len(column)
        table = pa.table(
            {
                "id": pa.array(range(count), pa.int64()),
                "event_timestamp": pa.array([WHEN] * count, micros("UTC")),
                "v": column,
            }
        )
        pq.write_table(table, f"{directory}/data/{name}.parquet")
        views.append(
            FeatureView(
                name=name,
                entities=[entity],
                ttl=timedelta(0),
                schema=[Field(name="id", dtype=Int64), Field(name="v", dtype=dtype)],
                source=FileSource(
                    name=f"{name}_source", path=f"data/{name}.parquet", timestamp_field="event_timestamp"
                ),
            )
        )
    store = FeatureStore(repo_path=directory)
    with contextlib.redirect_stdout(sys.stderr):
        store.apply([entity, *views])
        store.materialize(dt.datetime(2020, 1, 1, tzinfo=UTC), dt.datetime(2025, 1, 1, tzinfo=UTC))
    connection = sqlite3.connect(f"{directory}/feast.db")
    for view in views:
        rows = connection.execute(
            f'SELECT hex(entity_key), feature_name, hex(value), event_ts FROM "types_{view.name}" ORDER BY 1, 2'
        ).fetchall()
        print(json.dumps({"view": view.name, "rows": rows}))


if __name__ == "__main__":
    main(sys.argv[1])
