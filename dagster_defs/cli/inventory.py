"""`inventory`: draft it from live catalogs, validate it, and write the mask models from it.

Add here: a command over the inventory.
Keep out: its reading (`erasure.inventory_reading`), and what a draft decides (`erasure.inventory_draft`).
"""

import re
from typing import Annotated

import typer

from dagster_defs.cli.run import reporting, run_of
from erasure.errors import BadInput
from erasure.settings import PROJECT_ROOT, expanded


def register(app: typer.Typer) -> None:
    """Adds the group of commands."""
    group = typer.Typer(help="The declaration of where personal data lies.", no_args_is_help=True)
    app.add_typer(group, name="inventory")

    @group.command()
    def init(
        context: typer.Context,
        world: Annotated[str, typer.Option(help="The world's name: the folder in dbt_project/models.")],
        schema: Annotated[str, typer.Option(help="The schema in PostgreSQL.")] = "public",
        database: Annotated[
            str, typer.Option(help="The database in ClickHouse; the world's name, if none is given.")
        ] = "",
        output: Annotated[str, typer.Option(help="Another folder to write the two files into.")] = "",
    ) -> None:
        """Draft postgres.yml and clickhouse.yml from the catalogs; what is not clear is marked REVIEW."""
        run = run_of(context)
        with reporting(run):
            from dagster_defs.drafting import draft_files, write

            _require_world(world)
            folder = expanded(output) if output else PROJECT_ROOT / "dbt_project/models" / world / "inventory"
            drafted = draft_files(
                run.settings(), world=world, schema=schema, database=database or world, folder=folder
            )
            write(drafted)
            counts: dict[str, dict[str, int]] = {}
            for file in drafted:
                for table in file.drafts:
                    left = len(table.columns) - table.decided
                    owner = "" if table.has_subject else ", and whose its rows are"
                    run.say(
                        f"{file.store}/{table.facts.name}: {table.decided} columns decided, {left} to review{owner}"
                    )
                    counts.setdefault(file.store, {})[table.facts.name] = left
                run.say(f"✅ {file.path} written")
            run.say(
                "   Every line is to be read. elasticsearch.yml, s3.yml and redis.yml are yours to write; "
                "then `inventory show` and `inventory sync`."
            )
            run.result |= {"counts": counts, "files": [str(file.path) for file in drafted]}

    @group.command()
    def show(context: typer.Context) -> None:
        """Validate the inventory and list its objects."""
        run = run_of(context)
        with reporting(run):
            from dagster_defs.worlds import inventory_of

            found = inventory_of(run.settings().erasure.world)
            for item in found.objects:
                rules = ", ".join(f"{field.name} {field.rule}" for field in item.ruled_fields)
                run.say(
                    f"{item.store}/{item.name}: {(item.waived and f'waived, {item.waived}') or item.rule or rules}"
                )
            run.result["counts"] = {store: {"objects": len(found.of(store))} for store in found.stores}

    @group.command()
    def sync(context: typer.Context) -> None:
        """Write the mask models of PostgreSQL and ClickHouse from the inventory."""
        run = run_of(context)
        with reporting(run):
            from dagster_defs.dbt_runner import PROJECT_DIR
            from dagster_defs.worlds import inventory_of
            from erasure import mask_models

            world = run.settings().erasure.world
            changed = mask_models.sync(inventory_of(world), PROJECT_DIR / "models" / world / "masked")
            run.say(f"✅ {len(changed)} mask models written or removed")


def _require_world(world: str) -> None:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", world):
        raise BadInput("--world: expected letters, digits and underscores, as in [erasure] world.")
