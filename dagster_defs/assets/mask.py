"""Stage `mask`: the other four stores, then PostgreSQL, the source of truth.

Add here: what is particular about masking one store within the flow.
Keep out: the masking itself (the stores, and the dbt models behind the two SQL ones).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, build_dbt_asset_specs

from dagster_defs.assets.common import counts_metadata, is_unused, log_progress, working
from dagster_defs.assets.controls import BEFORE
from dagster_defs.assets.revoke import ACCESS
from dagster_defs.dbt_runner import manifest_json
from dagster_defs.partitions import batches
from dagster_defs.resources import Platform
from dagster_defs.worlds import configured_world
from erasure import execution
from erasure.counts import Counts
from erasure.ledger import batches as ledger
from erasure.rules import Rule

GROUP = "mask"
FIRST = ("clickhouse", "elasticsearch", "s3", "redis")
LAST = "postgres"


def key_of(store: str) -> dg.AssetKey:
    """The asset that says a store is masked."""
    return dg.AssetKey([GROUP, store])


class _MaskTranslator(DagsterDbtTranslator):
    """Names a mask model's asset after store and table: mask/postgres/judgments."""

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: Any) -> dg.AssetSpec:
        spec = super().get_asset_spec(manifest, unique_id, project)
        node = manifest["nodes"].get(unique_id)
        if node is None:
            return spec
        store, table = node["fqn"][-2], node["name"].rpartition("__")[2]
        # Only what comes before in the flow: sources of dbt are not assets here, and models mask in one call. dbt's own
        # description and metadata tell of a relation to be made, and a mask makes none.
        return spec.replace_attributes(
            key=dg.AssetKey([GROUP, store, table]),
            group_name=GROUP,
            deps=[],
            description=_description(manifest, node),
            metadata={"model": node["original_file_path"]},
        )


def _description(manifest: Mapping[str, Any], node: Mapping[str, Any]) -> str:
    """What happens to the table, field by field, as the inventory has it."""
    _, source, table = node["name"].split("__", 2)
    # Leniently: whoever plans is told of a wrong inventory, and the code location must load until then.
    declared = (
        manifest["sources"].get(f"source.{node['package_name']}.{source}.{table}", {}).get("columns", {})
    )
    rules = {name: column.get("config", {}).get("meta", {}).get("rule") for name, column in declared.items()}
    ruled = [f"{name} ({rule})" for name, rule in rules.items() if rule not in {None, Rule.KEEP}]
    return f"The targets' rows of {table} masked: {', '.join(ruled)}. The inventory has the rules."


def _mask(context: dg.AssetExecutionContext, platform: Platform, name: str) -> Counts:
    with working(context, platform) as work:
        settings = platform.settings()
        if is_unused(platform, name):
            return {}
        counts = execution.mask(
            settings,
            store=platform.store(name, fence=work.lease.fence),
            targets=work.targets,
            check=work.check,
            progress=log_progress(context, name),
        )
        if name == LAST:
            ledger.remember_erased(settings, batch_id=work.targets.batch_id)
        return counts


def _python_store(name: str) -> dg.AssetsDefinition:
    @dg.asset(
        key=key_of(name),
        deps=[ACCESS],
        group_name=GROUP,
        partitions_def=batches,
        kinds={name},
        description=f"{name} masked, and counted again: nothing is left.",
    )
    def mask_store(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult[None]:
        return dg.MaterializeResult(metadata=counts_metadata(_mask(context, platform, name)))

    return mask_store


def _sql_store(name: str, after: list[dg.AssetKey], world: str) -> dg.AssetsDefinition:
    tables = [
        spec.replace_attributes(deps=after, partitions_def=batches)
        for spec in build_dbt_asset_specs(
            manifest=manifest_json(name, world),
            dagster_dbt_translator=_MaskTranslator(),
            select="config.materialized:mask",
        )
    ]
    whole = dg.AssetSpec(
        key_of(name),
        deps=[spec.key for spec in tables],
        group_name=GROUP,
        partitions_def=batches,
        kinds={"dbt", name},
        description=f"{name} masked by one dbt call, and counted again: nothing is left.",
    )

    @dg.multi_asset(name=f"mask__{name}", specs=[*tables, whole])
    def mask_tables(
        context: dg.AssetExecutionContext, platform: Platform
    ) -> Iterator[dg.MaterializeResult[None]]:
        counts = _mask(context, platform, name)
        for spec in tables:
            table = spec.key.path[-1]
            yield dg.MaterializeResult(asset_key=spec.key, metadata={"rows": counts[table].records})
        yield dg.MaterializeResult(asset_key=whole.key, metadata=counts_metadata(counts))

    return mask_tables


def mask_assets() -> list[dg.AssetsDefinition]:
    """All of them; reads dbt's manifest, so it is called when the code location is built."""
    world = configured_world()
    return [
        _sql_store("clickhouse", [ACCESS, BEFORE], world),
        *(_python_store(name) for name in FIRST if name != "clickhouse"),
        _sql_store(LAST, [key_of(name) for name in FIRST], world),
    ]
