"""The real Feast SDK as a client of a feature server that asks for tokens.

usage: permissions.py make REPO    define and apply two views, a service and permissions, and write their rows
       permissions.py run REPO…    read and write through the online store of each REPO; prints a JSON list of objects with
                                   the outcome of each step: what was read, "done", or [exception class]
"""

import json
import os
import sys
from datetime import datetime, timedelta, timezone

import pandas as pd
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.permissions.action import AuthzedAction
from feast.permissions.permission import Permission
from feast.permissions.policy import RoleBasedPolicy
from feast.types import Int64

DAY = datetime(2025, 1, 1, tzinfo=timezone.utc)
DRIVER = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
VIEWS = ["driver_stats", "secrets"]


def view(name):
    source = FileSource(name=f"{name}_source", path="unused.parquet", timestamp_field="event_timestamp")
    fields = [Field(name="driver_id", dtype=Int64), Field(name="trips", dtype=Int64)]
    return FeatureView(name=name, entities=[DRIVER], ttl=timedelta(days=36500), schema=fields, source=source)


def rows():
    return pd.DataFrame({"driver_id": [7], "trips": [70], "event_timestamp": [DAY]})


def permission(name, role, action):
    return Permission(
        name=name,
        types=[FeatureView],
        name_patterns=["driver_.*"],
        policy=RoleBasedPolicy(roles=[role]),
        actions=[action],
    )


def make(repo):
    store = FeatureStore(repo)
    views = [view(name) for name in VIEWS]
    service = FeatureService(name="driver_service", features=[views[0]])
    permissions = [
        permission("readers", "reader", AuthzedAction.READ_ONLINE),
        permission("writers", "writer", AuthzedAction.WRITE_ONLINE),
    ]
    pd.DataFrame({"driver_id": [0], "trips": [0], "event_timestamp": [DAY]}).to_parquet(
        os.path.join(repo, "unused.parquet")
    )
    store.apply([DRIVER, *views, service, *permissions])
    for name in VIEWS:
        store.write_to_online_store(name, rows())


def run(repo):
    store = FeatureStore(repo)

    def read(name):
        answer = store.get_online_features([f"{name}:trips"], [{"driver_id": 7}])
        return answer.to_dict()["trips"]

    def write(name):
        store.write_to_online_store(name, rows())
        return "done"

    steps = {}
    for what, act in {"read": read, "write": write}.items():
        for name in VIEWS:
            try:
                outcome = act(name)
            except Exception as error:
                outcome = [type(error).__name__]
            steps[f"{what} {name}"] = outcome
    return steps


if __name__ == "__main__":
    command, *repos = sys.argv[1:]
    if command == "make":
        make(*repos)
    else:
        print(json.dumps([run(repo) for repo in repos]))
