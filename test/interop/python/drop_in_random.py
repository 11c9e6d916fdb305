"""Random feature repositories, writes and reads, for Feast's own servers and for those that stand in for them.

usage: drop_in_random.py make SEED REPO...           define and apply the repository of a seed
       drop_in_random.py run SEED COUNT REPO URL ADDRESS
                                                     COUNT writes and as many reads, each over several protocols. REPO is a
                                                     client's (online_store of type remote). Prints a JSON list of
                                                     [step, outcome] as drop_in.py does

Steps are called "PROTOCOL WHAT: NUMBER PECULIARITY", the peculiarity being what is odd about the request, in the words of
drop_in.py where it has that too. What is odd is written to an entity of its own, whose key has the number of the step, and
read back at once: those that one side takes and the other refuses disturb nothing else.
"""

import contextlib
import json
import math
import sys
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from random import Random

import pandas as pd
from drop_in import DAY, Script, columns_of, source, value_of, without
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, PushSource, RequestSource, ValueType
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.permissions.client.http_auth_requests_wrapper import HttpSessionManager
from feast.protos.feast.serving import GrpcServer_pb2, ServingService_pb2
from feast.protos.feast.types.Value_pb2 import Value
from feast.type_map import python_values_to_proto_values
from feast.types import (
    Array,
    Bool,
    Bytes,
    Decimal,
    Float32,
    Float64,
    Int32,
    Int64,
    Json,
    Map,
    Set,
    String,
    Struct,
    UnixTimestamp,
    Uuid,
)

# Entities that odd writes are about have keys from here on.
ODD = 1_000_000
KEY_TYPES = {
    "INT64": (ValueType.INT64, Int64),
    "STRING": (ValueType.STRING, String),
    "INT32": (ValueType.INT32, Int32),
    "TIME": (ValueType.UNIX_TIMESTAMP, UnixTimestamp),
}
# Feast's servers take these keys as values of gRPC alone, and answer nobody who reads by them (decision 14).
WRITTEN_KEY_TYPES = {"BYTES": (ValueType.BYTES, Bytes)}
ALL_KEY_TYPES = {**KEY_TYPES, **WRITTEN_KEY_TYPES}
TEXTS = ["", "a", "Köln", "北京 🙂", 'x"y\\z\n', "null", "1", "NaN", "2025-01-01", " padded ", "a" * 300]
INTEGERS = [0, 1, -1, 255, 2**31 - 1, -(2**31)]
LONGS = [*INTEGERS, 2**31, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)]
FLOATS = [0.0, -0.0, 1.0, 0.1, -2.5, 1e-300, 1e16, 123456789.125, 1e22]
SINGLES = [0.0, -0.0, 1.0, 0.1, -2.5, 1e-30, 1e16, 3.4e38]
TIMES = [0, 1, -1, 1_700_000_000, 4_102_444_800]


def one_of(items):
    return lambda random: random.choice(items)


def lists_of(item, lengths=(0, 1, 2, 3, 7, 300)):
    return lambda random: [item(random) for _ in range(random.choice(lengths))]


# What is written over HTTP by type.
SCALARS = {
    "int32": (Int32, one_of(INTEGERS)),
    "int64": (Int64, one_of(LONGS)),
    "float": (Float32, one_of(SINGLES)),
    "double": (Float64, one_of(FLOATS)),
    "string": (String, one_of(TEXTS)),
    "bool": (Bool, one_of([True, False])),
    "time": (UnixTimestamp, one_of(TIMES)),
}
TYPES = {
    **SCALARS,
    "bytes": (Bytes, lambda random: None),
    "uuid": (Uuid, lambda random: str(uuid.UUID(int=random.getrandbits(128), version=4))),
    "decimal": (Decimal, one_of(["0", "1.50", "-12345678901234567890.123456789", "1E+3"])),
    "json": (Json, one_of(["{}", "[1, 2.50]", '{"b": 1, "a": "ü"}', "null", '"x"'])),
    # One key, the same in each: messages have maps in no order, pandas gives each row the keys of all others.
    "map": (Map, one_of([{"a": 1}, {"a": -(2**31)}])),
    "struct": (Struct({"a": String}), lambda random: {"a": random.choice(TEXTS)}),
    **{f"{name}_list": (Array(dtype), lists_of(make)) for name, (dtype, make) in SCALARS.items()},
    # Feast writes sets in an order of their own.
    **{f"{name}_set": (Set(SCALARS[name][0]), lists_of(SCALARS[name][1], [0, 1])) for name in ["int64", "string"]},
    "int64_lists": (Array(Array(Int64)), lists_of(lists_of(one_of(LONGS)))),
}
# What typed features of gRPC say in both servers.
TYPED = [*SCALARS, *(f"{name}_list" for name in SCALARS)]


# What functions of on-demand views are given.
COMPUTABLE = ["int32", "int64", "float", "double", "string", "bool"]


@dataclass
class Computed:
    view: OnDemandFeatureView
    # Names of the views that it is computed of, with their join keys.
    keys: list


def computation(number, names):
    """A function of these features (full name -> kind) and of the request data of a view, its text, and what it gives."""
    bonus = f"bonus{number}"
    count = f"out{number}_count"
    doubled = {name: f"out{number}_{i}_double" for i, (name, kind) in enumerate(names.items()) if kind in ("float", "double")}
    louder = {name: f"out{number}_{i}_text" for i, (name, kind) in enumerate(names.items()) if kind == "string"}
    nulls = {name: f"out{number}_{i}_null" for i, name in enumerate(names)}

    # As text: the definition of a function that depends on nothing around it is what a registry keeps.
    lines = [f"def compute{number}(inputs):", "import pandas", "out = pandas.DataFrame()"]
    lines.append(f"out[{count!r}] = inputs[{[*names]!r}].notna().sum(axis=1).astype('int64') + inputs[{bonus!r}]")
    lines += [f"out[{output!r}] = inputs[{name!r}].astype('float64') * 2" for name, output in doubled.items()]
    lines += [f"out[{output!r}] = inputs[{name!r}].fillna('nobody') + '!'" for name, output in louder.items()]
    lines += [f"out[{output!r}] = inputs[{name!r}].isna()" for name, output in nulls.items()]
    text = "\n    ".join([*lines, "return out"]) + "\n"
    defined = {}
    exec(text, defined)
    schema = [Field(name=count, dtype=Int64)]
    schema += [Field(name=name, dtype=Float64) for name in doubled.values()]
    schema += [Field(name=name, dtype=String) for name in louder.values()]
    schema += [Field(name=name, dtype=Bool) for name in nulls.values()]
    return defined[f"compute{number}"], text, schema


class Repository:
    """Definitions that a seed decides."""

    def __init__(self, seed):
        random = Random(seed)
        self.key_types = {}
        self.entities = []
        for i, key_type in enumerate(["INT64", "STRING", "INT32", "TIME", random.choice([*KEY_TYPES])]):
            join_key = random.choice([f"id_{i}", f"e{i}__key", f"schlüssel_{i}"])
            self.key_types[join_key] = key_type
            self.entities.append(Entity(name=f"entity{i}", join_keys=[join_key], value_type=KEY_TYPES[key_type][0]))
        self.key_types["blob"] = "BYTES"
        self.blob = Entity(name="entity_blob", join_keys=["blob"], value_type=ValueType.BYTES)
        self.kinds = {}
        self.sources = {}
        # Of a view: column of its source -> feature.
        self.mappings = {}
        self.views = [self.view(random, i) for i in range(7)]
        self.push_sources = [
            PushSource(name=f"push_{name}", batch_source=source(f"batch_{name}")) for name in ["both", "shared"]
        ]
        self.views += [self.view(random, 10 + i, self.push_sources[0], of=self.entities[:1]) for i in range(2)]
        self.written = [self.view(random, 20, of=[self.blob], among=TYPED)]
        self.written += [self.view(random, 21, of=[self.blob, *random.sample(self.entities, 1)], among=TYPED)]
        self.computed = [self.on_demand(random, i) for i in range(3)]
        # Of services that have a view by another name beside what is computed of it: the same without those names.
        self.plain = {}
        self.services = [self.service(random, i) for i in range(6)]

    def view(self, random, number, push=None, of=None, among=TYPES):
        name = random.choice([f"view{number}", f"view_{number}__x", f"Ansicht{number}"])
        count = random.choice([0, 1, 1, 1, 2])
        entities = random.sample(self.entities, count) if of is None else of
        kinds = {f"f{number}_{i}_{kind}": kind for i, kind in enumerate(random.sample([*among], random.randint(1, 6)))}
        keys = {entity.join_key: ALL_KEY_TYPES[self.key_types[entity.join_key]][1] for entity in entities}
        schema = [Field(name=n, dtype=t) for n, t in keys.items()]
        schema += [Field(name=n, dtype=TYPES[kind][0]) for n, kind in kinds.items()]
        mapping = {}
        if push is None and random.random() < 0.3:
            mapping = {f"raw_{feature}": feature for feature in random.sample([*kinds], 1)}
        self.mappings[name] = mapping
        batch = source(f"source_{name}", field_mapping=mapping)
        if push is None and random.random() < 0.5:
            push = PushSource(name=f"push_{name}", batch_source=batch)
        ttl = random.choice([timedelta(0), timedelta(seconds=1), timedelta(days=36500)])
        self.kinds[name] = kinds
        self.sources[name] = None if push is None else push.name
        return FeatureView(name=name, entities=entities, ttl=ttl, schema=schema, source=push or batch)

    def on_demand(self, random, number):
        inputs = []
        for view in random.sample([view for view in self.views if self.keys(view)], random.choice([1, 2])):
            kinds = self.kinds[view.name]
            features = [name for name, kind in kinds.items() if kind in COMPUTABLE]
            if features:
                inputs.append((view, random.sample(features, random.randint(1, min(3, len(features))))))
        asked = RequestSource(name=f"asked{number}", schema=[Field(name=f"bonus{number}", dtype=Int64)])
        names = {f"{view.name}__{name}": self.kinds[view.name][name] for view, features in inputs for name in features}
        compute, text, schema = computation(number, names)
        return Computed(
            OnDemandFeatureView(
                name=f"computed{number}",
                schema=schema,
                sources=[*(view[features] for view, features in inputs), asked],
                udf=compute,
                udf_string=text,
                mode="pandas",
            ),
            [(view.name, key) for view, _ in inputs for key in self.keys(view)],
        )

    def service(self, random, number):
        projections, plain = [], []
        computed = random.choice(self.computed).view if random.random() < 0.5 else None
        inputs = [] if computed is None else [each.name for each in computed.source_feature_view_projections.values()]
        views = random.sample(self.views, random.randint(1, 3))
        if inputs and random.random() < 0.5:
            views = [view for view in self.views if view.name == inputs[0]] + [view for view in views if view.name != inputs[0]]
        for view in views:
            # Feast makes a table of what is read beside what is computed, and fails at JSON that is now a list, now none.
            names = [name for name, kind in self.kinds[view.name].items() if computed is None or kind != "json"]
            if not names:
                continue
            features = random.sample(names, random.randint(1, len(names)))
            projection = named = view[features]
            if random.random() < 0.4:
                named = projection.with_name(f"alias_{number}_{view.name}")
            keys = self.keys(view)
            # By another name it would be read by another column than what is computed from it (decision 69).
            likely = 0.3 if view.name not in inputs else 0.7 if named is projection else 0
            if keys and random.random() < likely:
                projection = named = named.with_join_key_map({keys[0]: f"other_{keys[0]}"})
            projections.append(named)
            plain.append(projection if view.name in inputs else named)
        if computed is not None:
            outputs = [field.name for field in computed.features]
            projection = computed[random.sample(outputs, random.randint(1, len(outputs)))]
            if random.random() < 0.4:
                projection = projection.with_name(f"alias_{number}_{computed.name}")
            projections.append(projection)
            if any(one is not other for one, other in zip(projections, plain)):
                self.plain[f"service{number}"] = FeatureService(name=f"plain{number}", features=[*plain, projection])
        return FeatureService(name=f"service{number}", features=projections)

    def request_data(self, computed):
        return computed.view.name.replace("computed", "bonus")

    def keys(self, view):
        return [key for key in view.join_keys if not key.startswith("__dummy")]


def make(seed, *repos):
    repository = Repository(int(seed))
    for repo in repos:
        with contextlib.redirect_stdout(sys.stderr):
            store = FeatureStore(repo_path=repo)
            views = [*repository.views, *repository.written]
            sources = [view.stream_source for view in views if view.stream_source is not None]
            computed = [each.view for each in repository.computed]
            store.apply([*repository.entities, repository.blob, *sources, *views, *computed, *repository.services, *repository.plain.values()])


def key_value(key_type, number):
    if key_type == "BYTES":
        return b"\x00k\xff" + number.to_bytes(4, "little")
    return f"k{number}" if key_type == "STRING" else number


def stamps(random, count):
    """Event times as JSON has them, in no order, with and without zones and fractions; pandas takes one form at a time."""
    form = random.choice(["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S%z"])
    zone = timezone(timedelta(hours=random.choice([0, 2, -7]))) if "%z" in form else timezone.utc
    micros = random.choice([0, 1, 123_000])
    moments = [DAY + timedelta(seconds=random.randint(0, 500), microseconds=micros) for _ in range(count)]
    return [moment.astimezone(zone).strftime(form) for moment in moments]


def rows_of(repository, view, random, ids, nulls):
    """Columns for these entities, `ids` being one number per row; so many of the values are null."""
    columns = {key: [key_value(repository.key_types[key], i) for i in ids] for key in repository.keys(view)}
    for name, kind in repository.kinds[view.name].items():
        columns[name] = [None if random.random() < nulls else TYPES[kind][1](random) for _ in ids]
        # Integers beside nulls are floats in pandas: see the peculiarities of that name.
        if kind in ("int64", "time") and len(ids) > 1:
            columns[name] = [0 if value is None else value for value in columns[name]]
    columns["event_timestamp"] = stamps(random, len(ids))
    columns["created"] = [DAY.isoformat()] * len(ids)
    return columns


def replaced(columns, name, value):
    return {**columns, name: [value] * len(columns[name])}


def odd_frames(repository, view, columns, random):
    """What can be odd about a frame of one row: peculiarity -> columns."""
    kinds = repository.kinds[view.name]
    frames = {
        "without event timestamps": without(columns, "event_timestamp"),
        "without created timestamps": without(columns, "created"),
        "a column too many": {**columns, "nobody": [1]},
        "no time at all": replaced(columns, "event_timestamp", None),
        "a time that is none": replaced(columns, "event_timestamp", "yesterday"),
        "a number for a time": replaced(columns, "event_timestamp", 1_735_689_600),
        "a date for a time": replaced(columns, "event_timestamp", "2025-01-01"),
        "nanoseconds": replaced(columns, "event_timestamp", "2025-01-01T00:00:00.123456789Z"),
        "no rows": {name: [] for name in columns},
        "no columns": {},
        "an empty created time": replaced(columns, "created", None),
        "nothing but nulls": {**{n: [None] for n in columns}, **{n: columns[n] for n in ["event_timestamp", "created"]}},
        "a row twice": {name: column * 2 for name, column in columns.items()},
    }
    moments = ["2025-01-01T00:00:10.5Z", "2025-01-01T00:00:00Z"]
    frames["times in several forms"] = {**{name: column * 2 for name, column in columns.items()}, "event_timestamp": moments}
    for integer in [name for name, kind in kinds.items() if kind == "int64"]:
        twice = {name: column * 2 for name, column in columns.items()}
        # The second row replaces the first.
        twice["event_timestamp"] = ["2025-01-01T00:00:00Z", "2025-01-01T00:00:10Z"]
        frames["a large integer beside a null"] = {**twice, integer: [None, 2**53 + 1]}
        frames["the largest integer beside a null"] = {**twice, integer: [None, 2**63 - 1]}
    for moment in [name for name, kind in kinds.items() if kind == "time"]:
        twice = {name: column * 2 for name, column in columns.items()}
        twice["event_timestamp"] = ["2025-01-01T00:00:00Z", "2025-01-01T00:00:10Z"]
        frames["a time beside a null"] = {**twice, moment: [None, 1_700_000_000]}
    for raw, feature in repository.mappings[view.name].items():
        frames["by the name of its source"] = {**without(columns, feature), raw: columns[feature]}
    name = random.choice([*kinds])
    kind = kinds[name]
    frames["without a feature"] = without(columns, name)
    frames["columns of different lengths"] = {**columns, name: columns[name] * 2}
    frames["a null"] = replaced(columns, name, None)
    odd_values = {
        "words": "many", "a fraction": 1.5, "a list": [1], "lists of nothing": [None], "an object": {"a": 1}, "a truth": True,
        "an integer": 3, "digits": "12", "a float as text": "1.5", "NaN": math.nan, "infinity": math.inf, "huge": 1e308,
        "an integer beyond 64 bits": 2**64, "an integer beyond 32 bits": 2**40, "an empty text": "",
        "a list of words": ["a"], "a list with a null": [1, None], "a list of fractions": [1.5], "an empty list": [],
    }
    for what, value in odd_values.items():
        frames[f"{what} for {kind}"] = replaced(columns, name, value)
    for key in repository.keys(view)[:1]:
        if repository.key_types[key] != "STRING":
            frames["a fraction for the key"] = replaced(columns, key, columns[key][0] + 0.5)
        frames |= {
            "without the key": without(columns, key),
            "a null key": replaced(columns, key, None),
            "words for the key": replaced(columns, key, f"me{columns[key][0]}"),
            "text for the key": replaced(columns, key, str(columns[key][0])),
        }
    return frames


class RandomScript(Script):
    def __init__(self, seed, count, repo, url, address):
        super().__init__(repo, url, address)
        self.repository = Repository(seed)
        self.random = Random(seed + 1)
        self.count = count

    def play(self):
        for number in range(self.count):
            self.write_something(number)
            self.read_something(number)

    def write_something(self, number):
        random, repository = self.random, self.repository
        # What Feast writes of views without entities nobody reads (decision 12.25).
        view = random.choice([*(view for view in repository.views if repository.keys(view)), *repository.written])
        is_typed = view in repository.written
        is_odd = not is_typed and random.random() < 0.5
        # Of a row of nulls alone nothing is looked at.
        is_odd = is_odd and {*repository.kinds[view.name].values()} != {"bytes"}
        ids = [ODD + number] if is_odd else [random.randint(0, 11) for _ in range(random.choice([1, 1, 2, 5]))]
        columns = rows_of(repository, view, random, ids, 0 if is_odd else 0.15)
        title = str(number)
        if is_odd:
            frames = odd_frames(repository, view, columns, random)
            peculiarity = random.choice([*frames])
            columns, title = frames[peculiarity], f"{number} {peculiarity}"
        pushed = repository.sources[view.name]
        # Several views of one push source need the columns of all; the protocols take turns.
        if pushed == "push_both":
            pushed = None
        way = random.choice(["HTTP", "HTTP", "SDK", "gRPC"])
        if is_typed:
            way = "gRPC"
        elif way == "gRPC" and (is_odd or any(kind not in TYPED for kind in repository.kinds[view.name].values())):
            way = "HTTP"
        # The SDK rounds and drops what pandas does before it sends it.
        if any(word in title for word in ["beside a null", "NaN", "lists of nothing"]):
            way = "HTTP"
        what = "push" if pushed is not None and random.random() < 0.5 else "write"
        self.step(f"{way} {what}: {title}", lambda: self.send(way, what, view.name, pushed, columns))
        if is_odd:
            self.read_back(view, number, title)

    def send(self, way, what, view, pushed, columns):
        if way == "HTTP" and what == "push":
            return self.http("POST", "/push", {"push_source_name": pushed, "df": columns})
        if way == "HTTP":
            return self.http("POST", "/write-to-online-store", {"feature_view_name": view, "df": columns})
        if way == "gRPC":
            return self.send_typed(what, view, pushed, columns)
        # Feast's server breaks the connection after a 500, and the SDK would use it again.
        HttpSessionManager.close_session()
        frame = pd.DataFrame(columns)
        for name in {"event_timestamp", "created"} & set(columns):
            frame[name] = pd.to_datetime(frame[name], format="ISO8601", utc=True)
        if what == "push":
            return {"done": repr(self.store.push(pushed, frame)), "body": ""}
        return {"done": repr(self.store.write_to_online_store(view, frame)), "body": ""}

    def send_typed(self, what, view, pushed, columns):
        typed = {}
        for name, [value, *_] in columns.items():
            kind = self.repository.kinds[view].get(name)
            if value is None:
                typed[name] = Value()
            elif kind is not None:
                [typed[name]] = python_values_to_proto_values([value], TYPES[kind][0].to_value_type())
            elif name in self.repository.key_types:
                key_type = ALL_KEY_TYPES[self.repository.key_types[name]][0]
                [typed[name]] = python_values_to_proto_values([value], key_type)
            else:
                typed[name] = Value(string_val=value)
        if what == "push":
            request = GrpcServer_pb2.PushRequest(stream_feature_view=pushed, to="online", typed_features=typed)
            return {"done": str(self.stub.Push(request, timeout=60).status), "body": ""}
        request = GrpcServer_pb2.WriteToOnlineStoreRequest(feature_view_name=view, typed_features=typed)
        return {"done": str(self.stub.WriteToOnlineStore(request, timeout=60).status), "body": ""}

    def read_back(self, view, number, title):
        keys = self.repository.keys(view)
        entities = {key: [key_value(self.repository.key_types[key], ODD + number)] for key in keys}
        request = {"features": [f"{view.name}:{name}" for name in self.repository.kinds[view.name]], "entities": entities}
        self.step(f"HTTP read: back {title}", lambda: self.http("POST", "/get-online-features", request))

    def read_something(self, number):
        random, repository = self.random, self.repository
        rows = random.choice([1, 1, 2, 2, 3, 8, 200])
        needed = {}
        request_data = None
        request = {"full_feature_names": random.random() < 0.5}
        if random.random() < 0.4:
            service = random.choice(repository.services)
            request["feature_service"] = service.name
            # What is computed of a view comes after it, and is read by the same columns where the view has its own name.
            mapped = {each.name: each.join_key_map for each in service.feature_view_projections if not each.name_alias}
            for projection in service.feature_view_projections:
                computed = next((each for each in repository.computed if each.view.name == projection.name), None)
                if computed is not None:
                    needed |= {mapped.get(name, {}).get(key, key): key for name, key in computed.keys}
                    request_data = repository.request_data(computed)
                    continue
                view = next(view for view in repository.views if view.name == projection.name)
                needed |= {projection.join_key_map.get(key, key): key for key in repository.keys(view)}
        else:
            views = random.sample(repository.views, random.choice([1, 1, 2, 3]))
            references = [f"{view.name}:{name}" for view in views for name in repository.kinds[view.name]]
            request["features"] = random.sample(references, random.randint(1, len(references)))
            used = {reference.split(":")[0] for reference in request["features"]}
            needed = {key: key for view in views if view.name in used for key in repository.keys(view)}
            has_json = any(reference.endswith("_json") for reference in request["features"])
            if not has_json and random.random() < 0.4:
                computed = random.choice(repository.computed)
                outputs = [field.name for field in computed.view.features]
                outputs = random.sample(outputs, random.randint(1, len(outputs)))
                request["features"] += [f"{computed.view.name}:{name}" for name in outputs]
                needed |= {key: key for _, key in computed.keys}
                request_data = repository.request_data(computed)
        # A request needs a column to say how many rows there are.
        anything = needed or {repository.entities[0].join_key: repository.entities[0].join_key}
        # The last column counts in Feast where one has the join key's name and another stands for it (decision 57).
        anything = dict(sorted(anything.items(), key=lambda item: item[0] != item[1]))
        request["entities"] = {
            column: [key_value(repository.key_types[key], random.randint(0, 14)) for _ in range(rows)]
            for column, key in anything.items()
        }
        if request_data is not None:
            request["entities"][request_data] = [random.randint(-5, 5) for _ in range(rows)]
        self.types = {column: self.repository.key_types[key] for column, key in anything.items()}
        title = str(number)
        plain = repository.plain.get(request.get("feature_service"))
        if plain is not None:
            request["full_feature_names"] = False
            self.ask({**request, "feature_service": plain.name}, title)
            title = f"{number} inputs by another name"
        elif random.random() < 0.5:
            odd = self.odd_requests(request, needed)
            peculiarity = random.choice([*odd])
            request, title = odd[peculiarity], f"{number} {peculiarity}"
        self.ask(request, title)

    def ask(self, request, title):
        self.step(f"HTTP read: {title}", lambda: self.http("POST", "/get-online-features", request))
        lengths = {len(column) for column in request["entities"].values()}
        if len(lengths) == 1 and lengths != {0}:
            HttpSessionManager.close_session()
            self.step(f"SDK read: {title}", lambda: self.by_sdk(request))
        # No message holds such a number.
        if "64 bits" not in title:
            self.step(f"gRPC read: {title}", lambda: self.by_grpc(request))

    def by_grpc(self, request):
        """As drop_in.py does, but with whole numbers in the type of their join key: Feast's gRPC server converts none."""
        message = ServingService_pb2.GetOnlineFeaturesRequest(full_feature_names=request["full_feature_names"])
        if request.get("feature_service"):
            message.feature_service = request["feature_service"]
        else:
            message.features.val.extend(request["features"])
        for name, column in request["entities"].items():
            values = message.entities[name].val
            if self.types.get(name) == "INT32" and all(type(item) is int and abs(item) < 2**31 for item in column):
                values.extend(Value(int32_val=item) for item in column)
            else:
                values.extend(value_of(item) for item in column)
        return columns_of(self.stub.GetOnlineFeatures(message, timeout=60))

    def odd_requests(self, request, needed):
        """What can be odd about a request: peculiarity -> request."""
        entities = request["entities"]
        rows = len(next(iter(entities.values())))

        known = request.get("features", ["nobody:nothing"])
        view = known[0].split(":")[0]
        listed = {name: value for name, value in request.items() if name != "feature_service"}
        odd = {
            "an unknown service": {**without(request, "features"), "feature_service": "nobody"},
            "an unknown view": {**listed, "features": [*known[:1], "nobody:trips"] if "features" in request else ["nobody:x"]},
            "no colon": {**listed, "features": ["trips"]},
            "no features": {**listed, "features": []},
            "an empty reference": {**listed, "features": [""]},
            "no entities": {**request, "entities": {}},
            "columns of different lengths": {**request, "entities": {**entities, "nobody": [1] * (rows + 1)}},
            "a column too many": {**request, "entities": {**entities, "nobody": [5] * rows}},
            "no rows": {**request, "entities": {name: [] for name in entities}},
            "rows twice": {**request, "entities": {name: values * 2 for name, values in entities.items()}},
        }
        if "features" in request:
            odd |= {
                "an empty service beside features": {**request, "feature_service": ""},
                "an unknown feature": {**request, "features": [*known, f"{view}:nothing"]},
                "a feature twice": {**request, "features": [*known, known[0]]},
                "a colon too many": {**request, "features": [f"{known[0]}:x"]},
                "spaces in a reference": {**request, "features": [f" {known[0]}"]},
            }
        for column, key in [*needed.items()][:1]:
            odd |= self.odd_keys(request, column, key)
        return odd

    def odd_keys(self, request, column, key):
        """What can be odd about a column that a view needs: peculiarity -> request."""
        entities = request["entities"]
        rows = len(entities[column])

        def asked(values):
            return {**request, "entities": {**entities, column: values}}

        entity = next(entity.name for entity in self.repository.entities if entity.join_key == key)
        odd = {"a list for a key": asked([[1, 2]] * rows)}
        key_type = self.repository.key_types[key]
        # Feast converts nothing under the name of an entity.
        if column == key and len(entities) == 1 and key_type not in ("INT32", "TIME"):
            odd["the name of the entity"] = {**request, "entities": {entity: entities[key]}}
        if key_type != "STRING":
            odd |= {
                "digits for an integer": asked([str(value) for value in entities[column]]),
                "words for an integer": asked(["me"] * rows),
                "a fraction for an integer": asked([value + 0.5 for value in entities[column]]),
                "a truth for an integer": asked([True] * rows),
                "a key beyond 64 bits": asked([2**64] * rows),
                "an empty text for an integer": asked([""] * rows),
            }
            # Of a float Feast makes no time at all (decision 12.4).
            if key_type != "TIME":
                odd["a whole float for an integer"] = asked([float(value) for value in entities[column]])
            if key_type == "INT32":
                odd["a key beyond 32 bits"] = asked([2**40] * rows)
        else:
            odd |= {
                "a number for a text": asked([7] * rows),
                "a fraction for a text": asked([1.5] * rows),
                "a truth for a text": asked([True] * rows),
            }
        return odd


def run(seed, count, repo, url, address):
    script = RandomScript(int(seed), int(count), repo, url, address)
    script.play()
    print(json.dumps(script.steps))


if __name__ == "__main__":
    {"make": make, "run": run}[sys.argv[1]](*sys.argv[2:])
