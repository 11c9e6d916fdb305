"""Prints, as JSON, the keys of Feast's configuration classes and what Feast says of configuration files.

usage: configuration_keys.py FILE...
"""

import json
import sys
from pathlib import Path

from feast.infra.feature_servers.base_config import (
    AuditLoggingConfig,
    FeatureLoggingConfig,
    MetricsConfig,
)
from feast.infra.feature_servers.local_process.config import LocalFeatureServerConfig
from feast.infra.mcp_servers.mcp_config import McpFeatureServerConfig
from feast.infra.online_stores.redis import RedisOnlineStoreConfig
from feast.infra.online_stores.sqlite import SqliteOnlineStoreConfig
from feast.infra.registry.remote import RemoteRegistryConfig
from feast.infra.registry.sql import SqlRegistryConfig
from feast.repo_config import (
    DataQualityMonitoringConfig,
    EmbeddingModelConfig,
    MaterializationConfig,
    RegistryConfig,
    RepoConfig,
    load_repo_config,
)

BLOCKS = {
    "top": [RepoConfig],
    "registry": [RegistryConfig, SqlRegistryConfig, RemoteRegistryConfig],
    "redis": [RedisOnlineStoreConfig],
    "sqlite": [SqliteOnlineStoreConfig],
    "feature_server": [LocalFeatureServerConfig, McpFeatureServerConfig],
    "metrics": [MetricsConfig],
    "feature_logging": [FeatureLoggingConfig],
    "audit_logging": [AuditLoggingConfig],
    "materialization": [MaterializationConfig],
    "embedding_model": [EmbeddingModelConfig],
    "data_quality_monitoring": [DataQualityMonitoringConfig],
}


def describe(classes):
    return {
        "keys": sorted({field.alias or name for c in classes for name, field in c.model_fields.items()}),
        "strict": all(c.model_config.get("extra") == "forbid" for c in classes),
    }


def verdict(path):
    try:
        config = load_repo_config(Path(path).parent, Path(path))
        config.registry, config.online_store, config.auth_config
        return "accepted"
    except Exception as error:
        return f"refused: {type(error).__name__}"


print(
    json.dumps(
        {
            "blocks": {name: describe(classes) for name, classes in BLOCKS.items()},
            "verdicts": {Path(path).name: verdict(path) for path in sys.argv[1:]},
        }
    )
)
