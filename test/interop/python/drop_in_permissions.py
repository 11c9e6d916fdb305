"""One script of HTTP, of gRPC and of the real Feast SDK, played by several callers against servers that ask for tokens.

usage: drop_in_permissions.py make REPO...     define and apply views, services and permissions, and write their rows
       drop_in_permissions.py run URL ADDRESS  URL speaks HTTP, ADDRESS gRPC. Takes a JSON list of [caller, authorization,
                                               repository] on standard input: the value of the header, or null, and a client's
                                               repository (online_store of type remote), or null. Prints a JSON list of
                                               [step, outcome] as drop_in.py does
"""

import contextlib
import json
import sys
from datetime import timedelta

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import requests
from drop_in import DAY, DRIVER, Script, labels_row, source, stamp, value_of
from feast import FeatureService, FeatureStore, FeatureView, Field, LabelView, OnDemandFeatureView, PushSource
from feast.on_demand_feature_view import on_demand_feature_view
from feast.permissions.client.http_auth_requests_wrapper import HttpSessionManager
from feast.permissions.action import ALL_ACTIONS, READ, WRITE, AuthzedAction
from feast.permissions.permission import Permission
from feast.permissions.policy import (
    CombinedGroupNamespacePolicy,
    GroupBasedPolicy,
    NamespaceBasedPolicy,
    RoleBasedPolicy,
)
from feast.protos.feast.serving import GrpcServer_pb2
from feast.types import Int64, String

FIELDS = {"driver_id": Int64, "trips": Int64}


def view(name, batch_source, tags=None):
    schema = [Field(name=n, dtype=t) for n, t in FIELDS.items()]
    ttl = timedelta(days=36500)
    return FeatureView(name=name, entities=[DRIVER], ttl=ttl, schema=schema, source=batch_source, tags=tags or {})


def pushed(name):
    return PushSource(name=name, batch_source=source(f"{name}_source"))


STATS_PUSH, SECRETS_PUSH, MIXED_PUSH, LABELS_PUSH = [
    pushed(name) for name in ["stats_push", "secrets_push", "mixed_push", "labels_push"]
]
STATS = view("driver_stats", STATS_PUSH)
SECRETS = view("secrets", SECRETS_PUSH)
MIXED = [view("driver_mixed", MIXED_PUSH), view("mixed_secrets", MIXED_PUSH)]
OF_GROUP = view("of_group", source("of_group_source"))
OF_NAMESPACE = view("of_namespace", source("of_namespace_source"))
OF_EITHER = view("of_either", source("of_either_source"))
TAGGED = view("tagged", source("tagged_source"), tags={"team": "rides"})
BATCHES = [view(name, source(f"{name}_source", "data/batch.parquet")) for name in ["driver_batch", "secret_batch"]]
LABELS_SCHEMA = [Field(name="good", dtype=Int64), Field(name="labeler", dtype=String)]
LABELS = LabelView(name="labels", entities=[DRIVER], schema=LABELS_SCHEMA, source=LABELS_PUSH, labeler_field="labeler")


def plus_one(inputs: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"more": inputs["trips"].fillna(0).astype("int64") + 1})


def on_demand(name, of):
    computed = on_demand_feature_view(sources=[of], schema=[Field(name="more", dtype=Int64)], mode="pandas")(plus_one)
    computed.name = name
    return computed


ON_DEMAND = [on_demand("computed", STATS), on_demand("revealing", SECRETS), on_demand("kept", STATS)]
SERVICES = [
    FeatureService(name="driver_service", features=[STATS]),
    # Who may use a service may use it for views that they may not read otherwise.
    FeatureService(name="driver_secrets", features=[STATS, SECRETS[["trips"]]]),
    FeatureService(name="other_service", features=[STATS]),
]


def permission(name, types, patterns, policy, actions, required_tags=None):
    more = {} if required_tags is None else {"required_tags": required_tags}
    return Permission(name=name, types=types, name_patterns=patterns, policy=policy, actions=actions, **more)


READERS, WRITERS = RoleBasedPolicy(roles=["reader", "analyst"]), RoleBasedPolicy(roles=["writer"])
PERMISSIONS = [
    permission("readers", [FeatureView], ["driver_.*"], READERS, READ),
    permission("writers", [FeatureView], ["driver_.*", "nothing"], WRITERS, [AuthzedAction.WRITE_ONLINE]),
    # A pattern has to match the whole name.
    permission("prefix", [FeatureView], ["secret", "ecrets"], READERS, ALL_ACTIONS),
    permission("services", [FeatureService], ["driver_[a-z]+"], READERS, [AuthzedAction.READ_ONLINE]),
    permission("computers", [OnDemandFeatureView], ["computed", "revealing"], READERS, [AuthzedAction.READ_ONLINE]),
    permission("group", [FeatureView], ["of_group"], GroupBasedPolicy(groups=["rides", "maps"]), ALL_ACTIONS),
    permission("namespace", [FeatureView], ["of_namespace"], NamespaceBasedPolicy(namespaces=["ml"]), ALL_ACTIONS),
    permission(
        "either", [FeatureView], ["of_either"], CombinedGroupNamespacePolicy(groups=["maps"], namespaces=["ml"]), WRITE + READ
    ),
    permission("tags", [FeatureView], ["tagged"], READERS, READ, required_tags={"team": "nobody"}),
    permission("labelers", [LabelView], ["labels"], WRITERS, [AuthzedAction.WRITE_ONLINE]),
    permission("auditors", [FeatureView, FeatureService], [], RoleBasedPolicy(roles=["auditor"]), [AuthzedAction.DESCRIBE]),
    permission("owners", [], [], RoleBasedPolicy(roles=["owner"]), ALL_ACTIONS),
]
STORED = [STATS, SECRETS, *MIXED, OF_GROUP, OF_NAMESPACE, OF_EITHER, TAGGED]


def make(*repos):
    times = [DAY + timedelta(minutes=i) for i in range(3)]
    batch = {"driver_id": [1, 2, 3], "trips": [4, 5, 6], "event_timestamp": times, "created": times}
    for repo in repos:
        pq.write_table(pa.Table.from_pandas(pd.DataFrame(batch)), f"{repo}/data/batch.parquet")
        with contextlib.redirect_stdout(sys.stderr):
            store = FeatureStore(repo_path=repo)
            sources = [STATS_PUSH, SECRETS_PUSH, MIXED_PUSH, LABELS_PUSH]
            store.apply([DRIVER, *sources, *STORED, *BATCHES, LABELS, *ON_DEMAND, *SERVICES, *PERMISSIONS])
            for index, stored in enumerate(STORED):
                store.write_to_online_store(stored.name, pd.DataFrame(rows(index, event_timestamp=[DAY], created=[DAY])))


def rows(trips, hour=0, driver=7, **more):
    return {"driver_id": [driver], "trips": [trips], "event_timestamp": [stamp(hours=hour)], "created": [stamp()], **more}


def asked():
    """Requests for features by name."""

    def ask(features, entities=None):
        kind = "feature_service" if isinstance(features, str) else "features"
        return {kind: features, "entities": entities or {"driver_id": [7]}, "full_feature_names": True}

    return {
        **{each.name: ask([f"{each.name}:trips"]) for each in [*STORED, *BATCHES]},
        **{each.name: ask([f"{each.name}:more"]) for each in ON_DEMAND},
        "labels": ask(["labels:good"]),
        "one view and another": ask(["driver_stats:trips", "secrets:trips"]),
        "a view and what is computed": ask(["driver_stats:trips", "computed:more"]),
        "driver_service": ask("driver_service"),
        "driver_secrets": ask("driver_secrets"),
        "other_service": ask("other_service"),
        "an unknown view": ask(["nobody:trips"]),
        "an unknown service": ask("nobody"),
        "an unknown feature": ask(["driver_stats:nothing"]),
        "an unknown feature of secrets": ask(["secrets:nothing"]),
        "no key of secrets": ask(["secrets:trips"], {"nobody": [1]}),
        "no colon": ask(["trips"]),
    }


def posted(hour):
    """Path and body of what is written by name; each row is of that hour, so that later callers write later rows."""
    push, write = "/push", "/write-to-online-store"
    window = {"start_ts": "2025-01-01T00:00:00", "end_ts": "2025-01-01T01:00:00"}
    return {
        "push": (push, {"push_source_name": "stats_push", "df": rows(70, hour)}),
        "push secrets": (push, {"push_source_name": "secrets_push", "df": rows(71, hour)}),
        "push to one view and another": (push, {"push_source_name": "mixed_push", "df": rows(72, hour)}),
        "push labels": (push, {"push_source_name": "labels_push", "df": labels_row(7)}),
        "push to an unknown source": (push, {"push_source_name": "nobody", "df": rows(73, hour)}),
        "push words for numbers": (push, {"push_source_name": "stats_push", "df": rows("many", hour)}),
        "push no columns to secrets": (push, {"push_source_name": "secrets_push", "df": {}}),
        "write": (write, {"feature_view_name": "driver_stats", "df": rows(74, hour)}),
        "write secrets": (write, {"feature_view_name": "secrets", "df": rows(75, hour)}),
        "write as a group": (write, {"feature_view_name": "of_group", "df": rows(76, hour)}),
        "write as a group or a namespace": (write, {"feature_view_name": "of_either", "df": rows(77, hour)}),
        "write to an unknown view": (write, {"feature_view_name": "nobody", "df": rows(78, hour)}),
        "write no columns to secrets": (write, {"feature_view_name": "secrets", "df": {}}),
        "materialize": ("/materialize", {**window, "feature_views": ["driver_batch"]}),
        "materialize secrets": ("/materialize", {**window, "feature_views": ["secret_batch"]}),
        "materialize one view and another": ("/materialize", {**window, "feature_views": ["driver_batch", "secret_batch"]}),
        "materialize an unknown view": ("/materialize", {**window, "feature_views": ["nobody"]}),
        "materialize further": ("/materialize-incremental", {"end_ts": stamp(hours=2), "feature_views": ["driver_batch"]}),
        "materialize secrets further": (
            "/materialize-incremental", {"end_ts": stamp(hours=2), "feature_views": ["secret_batch"]},
        ),
        "no JSON": (push, "nonsense"),
        "no such path": ("/nowhere", {}),
    }


class Caller(Script):
    def __init__(self, name, hour, authorization, url, address):
        super().__init__(None, url, address)
        self.name = name
        self.hour = hour
        self.headers = {} if authorization is None else {"authorization": authorization}
        self.metadata = list(self.headers.items())

    def step(self, name, action):
        super().step(f"{self.name}: {name}", action)

    def play(self):
        for name, request in asked().items():
            self.step(f"HTTP read {name}", lambda: self.http("POST", "/get-online-features", request))
        for name, (path, body) in posted(self.hour).items():
            self.step(f"HTTP {name}", lambda: self.http("POST", path, body))
        self.step("HTTP health", lambda: self.http("GET", "/health", ""))
        for path in ["/docs", "/openapi.json"]:
            self.step(f"HTTP {path}", lambda: {"done": self.status("GET", path), "body": ""})
        for name, request in asked().items():
            self.step(f"gRPC read {name}", lambda: self.by_grpc(request))
        for name in ["driver_stats", "secrets"]:
            self.step(f"gRPC write {name}", lambda: self.write_typed(name))

    def status(self, method, path):
        return requests.request(method, self.url + path, headers=self.headers, timeout=60).status_code

    def write_typed(self, name):
        typed = {key: value_of(column[0]) for key, column in rows(79, driver=700).items()}
        request = GrpcServer_pb2.WriteToOnlineStoreRequest(feature_view_name=name, typed_features=typed)
        answer = self.stub.WriteToOnlineStore(request, timeout=60, metadata=self.metadata)
        return {"done": str(answer.status), "body": ""}


class SdkCaller(Script):
    def __init__(self, name, hour, repo):
        super().__init__(repo, "", "127.0.0.1:1")
        self.name = name
        self.hour = hour

    def step(self, name, action):
        # Feast's server breaks the connection after some refusals, and the SDK would use it again.
        HttpSessionManager.close_session()
        super().step(f"{self.name}: SDK {name}", action)

    def play(self):
        store = self.store
        for name in ["driver_stats", "secrets", "computed", "driver_service", "driver_secrets", "an unknown view"]:
            self.step(f"read {name}", lambda: self.by_sdk(asked()[name]))

        def frame(trips):
            return pd.DataFrame(rows(trips, event_timestamp=[DAY + timedelta(hours=self.hour + 1)], created=[DAY]))

        window = [DAY, DAY + timedelta(hours=1)]
        steps = {
            "write": lambda: store.write_to_online_store("driver_stats", frame(80)),
            "write secrets": lambda: store.write_to_online_store("secrets", frame(81)),
            "push": lambda: store.push("stats_push", frame(82)),
            "push secrets": lambda: store.push("secrets_push", frame(83)),
            "materialize": lambda: store.materialize(*window, feature_views=["driver_batch"]),
            "materialize secrets": lambda: store.materialize(*window, feature_views=["secret_batch"]),
        }
        for name, action in steps.items():
            self.step(name, lambda: {"done": repr(action()), "body": ""})


def run(url, address):
    steps = []
    for index, [name, authorization, repo] in enumerate(json.load(sys.stdin)):
        hour = 1 + 2 * index
        caller = Caller(name, hour, authorization, url, address)
        caller.play()
        steps += caller.steps
        if repo is not None:
            sdk = SdkCaller(name, hour, repo)
            sdk.play()
            steps += sdk.steps
    print(json.dumps(steps))


if __name__ == "__main__":
    {"make": make, "run": run}[sys.argv[1]](*sys.argv[2:])
