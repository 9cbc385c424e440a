"""`fetch`: who has been inactive for long, as a CSV.

Add here: another criterion of inactivity that a user may set.
Keep out: the query (`dbt_project/models/targets/inactive_contributors.sql`).
"""

from datetime import UTC, datetime
from typing import Annotated

import typer

from dagster_defs.cli.run import reporting, run_of
from erasure.errors import BadInput
from erasure.expiry import record_export
from erasure.inactive import MOST_DAYS, find_inactive
from erasure.ledger.database import migrate
from erasure.request import write_csv
from erasure.settings import PROJECT_ROOT, expanded, var_dir


def register(app: typer.Typer) -> None:
    """Adds the command."""

    @app.command()
    def fetch(
        context: typer.Context,
        days_inactive: Annotated[
            int, typer.Option(min=1, max=MOST_DAYS, help="Without any activity for so many days.")
        ] = 365,
        max_contributors: Annotated[
            int | None, typer.Option(min=1, help="At most so many, oldest first.")
        ] = None,
        csv: Annotated[
            str | None, typer.Option(help="Where to write; a name with the time in backups/ otherwise.")
        ] = None,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Print what would be exported (the default).")
        ] = False,
        execute: Annotated[bool, typer.Option("--execute", help="Write the CSV.")] = False,
    ) -> None:
        """Find inactive contributors in PostgreSQL and export them to a CSV."""
        run = run_of(context)
        with reporting(run):
            if dry_run and execute:
                raise BadInput("--dry-run and --execute exclude each other; name one.")
            settings = run.settings()
            from dagster_defs.wiring import dbt_of
            from dagster_defs.worlds import inventory_of

            inventory = inventory_of(settings.erasure.world)
            migrate(settings.database, beside=inventory.registered("postgres"))
            query = dbt_of(settings).inactive_contributors(days_inactive)
            inactive = find_inactive(settings, query=query, max_contributors=max_contributors)
            run.say(f"✅ Found {inactive.found} inactive contributors (no activity for {days_inactive} days)")
            for reason, number in inactive.excluded.items():
                run.say(f"   excluded: {number} ({reason})")
            if len(inactive.chosen) < inactive.found:
                run.say(f"   oldest first, at most {max_contributors}: {len(inactive.chosen)}")
            run.result |= {
                "contributors": len(inactive.chosen),
                "csv": None,
                "excluded": dict(inactive.excluded),
                "state": "found",
            }
            if execute:
                stamp = datetime.now(UTC).strftime("%Y%m%d_%H%M%S")
                path = PROJECT_ROOT / "backups" / f"inactive_contributors_{stamp}.csv"
                path = path if csv is None else expanded(csv)
                write_csv(path, inactive.chosen)
                record_export(var_dir(), path)
                run.result |= {"csv": str(path), "state": "exported"}
                run.say(f"✅ Exported {len(inactive.chosen)} contributors to {path}")
            else:
                run.say(f"   dry run: {len(inactive.chosen)} would be exported; --execute writes the CSV")
