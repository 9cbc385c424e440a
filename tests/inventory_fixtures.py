"""The inventory of a world for tests that run no dbt: the same YAML, in the form of dbt's manifest.

Add here: helpers that build inventories for tests.
Keep out: engines (they come from `sandbox_fixtures`).
"""

from pathlib import Path
from typing import Any

import yaml

from erasure.inventory import Inventory
from erasure.inventory_reading import read_inventory
from erasure.settings import PROJECT_ROOT

INVENTORY_DIR = PROJECT_ROOT / "dbt_project" / "models" / "kepler" / "inventory"


def manifest_sources(*documents: dict[str, Any], path: str = "inventory.yml") -> dict[str, Any]:
    """What dbt's manifest holds under `sources` for these documents of source YAML."""
    nodes = {}
    for document in documents:
        for source in document["sources"]:
            for table in source["tables"]:
                unique_id = f"source.contributor_deletion.{source['name']}.{table['name']}"
                nodes[unique_id] = {
                    "unique_id": unique_id,
                    "source_name": source["name"],
                    "name": table["name"],
                    "identifier": table.get("identifier", table["name"]),
                    "schema": source.get("schema", source["name"]),
                    "config": table.get("config", {}),
                    "source_meta": source.get("config", {}).get("meta", {}),
                    "original_file_path": path,
                    "columns": {column["name"]: column for column in table.get("columns", [])},
                }
    return nodes


def kepler_inventory(directory: Path = INVENTORY_DIR) -> Inventory:
    """The kepler world's inventory, read from its five files."""
    documents = [yaml.safe_load(file.read_text()) for file in sorted(directory.glob("*.yml"))]
    return read_inventory(manifest_sources(*documents), world="kepler")


def rows_inventory(meta: dict[str, Any], *columns: tuple[str, dict[str, Any]]) -> Inventory:
    """A world `toy` with one object `thing` of S3, and the table of contributors that every world has."""
    gate = {
        "name": "people",
        "config": {
            "meta": {
                "subject": {"contributor_id": "id"},
                "primary_key": ["id"],
                "access": {"column": "status", "active": "active", "revoked": "erased"},
            }
        },
        "columns": [
            {"name": "status", "config": {"meta": {"rule": "keep", "reason": "says who may work"}}},
            {"name": "name", "config": {"meta": {"rule": "constant"}}},
        ],
    }
    thing = {
        "name": "thing",
        "config": {"meta": meta},
        "columns": [{"name": name, "config": {"meta": found}} for name, found in columns],
    }
    document = {
        "sources": [
            {"name": "toy_postgres", "config": {"meta": {"store": "postgres"}}, "tables": [gate]},
            {"name": "toy_s3", "config": {"meta": {"store": "s3"}}, "tables": [thing]},
        ]
    }
    return read_inventory(manifest_sources(document), world="toy")
