"""Joins features to entity rows with the Feast SDK, through one of its offline stores.

Usage: historical_features.py DIRECTORY OFFLINE_STORE < REQUESTS. The directory is a feature repository that `define_history.py`
made. REQUESTS is a JSON list of {entity_rows, features | feature_service, full_feature_names, filter_by_created_timestamp,
output}: the result of each is written to `output` as Parquet.
"""

import contextlib
import json
import os
import sys

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from feast import FeatureStore
from feast.repo_config import load_repo_config
from pathlib import Path


def main(directory, offline_store):
    os.chdir(directory)
    config = yaml.safe_load(open("feature_store.yaml"))
    config["offline_store"] = {"type": offline_store}
    path = Path(f"feature_store_{offline_store}.yaml")
    path.write_text(yaml.safe_dump(config))
    store = FeatureStore(config=load_repo_config(Path(directory), path))
    for request in json.load(sys.stdin):
        features = request.get("features")
        if features is None:
            features = store.get_feature_service(request["feature_service"])
        with contextlib.redirect_stdout(sys.stderr):
            job = store.get_historical_features(
                entity_df=pd.read_parquet(request["entity_rows"]),
                features=features,
                full_feature_names=request.get("full_feature_names", False),
                filter_by_created_timestamp=request.get("filter_by_created_timestamp", False),
            )
            frame = job.to_df()
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), request["output"])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
