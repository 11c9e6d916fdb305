"""What the real SDK makes of a registry: loads every object, materializes, reads. Prints one JSON document."""

import json
import sys
from datetime import datetime

from feast import FeatureStore

store = FeatureStore(sys.argv[1])
question = json.loads(sys.stdin.read())


def field(f):
    return [f.name, str(f.dtype)]


answer = {
    "project": [p.name for p in store.list_projects()],
    "entities": {e.name: [e.join_key, e.value_type.name, e.tags, e.owner] for e in store.list_entities()},
    "data_sources": sorted(type(s).__name__ + " " + s.name for s in store.list_data_sources()),
    "feature_views": {
        v.name: {
            "entities": v.entities,
            "features": [field(f) for f in v.features],
            "join_keys": [field(f) for f in v.entity_columns],
            "ttl": v.ttl.total_seconds(),
            "online": v.online,
            "stream_source": v.stream_source and v.stream_source.name,
            "version": v.current_version_number,
        }
        for v in store.list_feature_views()
    },
    "on_demand_feature_views": {
        v.name: [field(f) for f in v.features] for v in store.list_on_demand_feature_views()
    },
    "feature_services": {
        s.name: [[p.name_to_use(), p.join_key_map, [f.name for f in p.features]] for p in s.feature_view_projections]
        for s in store.list_feature_services()
    },
}

if "materialize" in question:
    start, end = (datetime.fromisoformat(t) for t in question["materialize"])
    store.materialize(start, end)

answer["answers"] = []
for request in question.get("requests", []):
    features = request["features"]
    if isinstance(features, str):
        features = store.get_feature_service(features)
    response = store.get_online_features(
        features=features,
        entity_rows=request["rows"],
        full_feature_names=request.get("full_feature_names", False),
    )
    answer["answers"].append(response.to_dict())

print("\n" + json.dumps(answer))
