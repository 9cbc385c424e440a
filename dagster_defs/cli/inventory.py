"""`inventory`: validate it, and write the mask models from it.

Add here: a command over the inventory.
Keep out: its reading (`erasure.inventory`).
"""

import typer

from dagster_defs.cli.run import reporting, run_of


def register(app: typer.Typer) -> None:
    """Adds the group of commands."""
    group = typer.Typer(help="The declaration of where personal data lies.", no_args_is_help=True)
    app.add_typer(group, name="inventory")

    @group.command()
    def show(context: typer.Context) -> None:
        """Validate the inventory and list its objects."""
        run = run_of(context)
        with reporting(run):
            from dagster_defs.dbt_runner import inventory_of

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
            from dagster_defs.dbt_runner import PROJECT_DIR, inventory_of
            from erasure import mask_models

            world = run.settings().erasure.world
            changed = mask_models.sync(inventory_of(world), PROJECT_DIR / "models" / world / "masked")
            run.say(f"✅ {len(changed)} mask models written or removed")
