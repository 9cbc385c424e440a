"""`check`: every connection, what each store holds, and whether inventory and stores agree.

Add here: a thing that can be checked without changing anything.
Keep out: printing of values; a failed check names the setting to look at.
"""

import typer

from dagster_defs.cli.run import TITLES, reporting, require_job_url, run_of, say_hint
from erasure.errors import ErasureError, ExitCode, StoreUnavailable
from erasure.stores.base import COUNTED_AT_MOST, Holdings

# Where one is led to another place than one thinks. An empty store may also be a clean one: it is told, and no failure.
_PLACES = {
    "postgres": "[database] database",
    "clickhouse": "[clickhouse] host and port",
    "elasticsearch": "[elasticsearch] url",
    "s3": "[s3] bucket_name",
    "redis": "[redis] db",
}


def register(app: typer.Typer) -> None:
    """Adds the command."""

    @app.command()
    def check(context: typer.Context) -> None:
        """Test every connection, and hold the inventory against what the stores hold."""
        run = run_of(context)
        with reporting(run):
            settings = run.settings()
            require_job_url(settings)
            from dagster_defs.wiring import health_of, store_of
            from dagster_defs.worlds import inventory_with_models

            inventory = inventory_with_models(settings.erasure.world)
            counts: dict[str, dict[str, int]] = {}
            notices: list[str] = []
            failed = False
            for name in inventory.stores:
                try:
                    store = store_of(name, settings, inventory)
                    health = health_of(store, settings)
                    found = store.survey()
                    # What the inventory has wrong cannot be counted.
                    held = {} if found.problems else store.holdings()
                except StoreUnavailable as error:
                    say_hint(run, name)
                    run.problem(str(error))
                    failed = True
                    continue
                except ErasureError as error:
                    run.problem(str(error))
                    failed = True
                    continue
                counts[name] = {"unregistered": len(found.problems), **held}
                run.say(f"✅ {TITLES[name]}: {health.engine} {health.version}{_told(held)}")
                if held and not any(held.values()):
                    run.say(
                        f"⚠️  {TITLES[name]} holds nothing that the inventory names; check {_PLACES[name]} "
                        "unless it is meant to be empty"
                    )
                for sentence in found.notices:
                    run.say(f"   notice: {sentence}")
                    notices.append(sentence)
                for sentence in found.problems:
                    run.problem(sentence)
                    failed = True
            if settings.erasure.hash_key is None:
                run.problem(
                    "[erasure] hash_key is not set, so planning refuses; set it once to a random value."
                )
                failed = True
            if settings.api.job_url is None:
                run.say("⚠️  Job API: not configured ([api] job_url); a lockout will not be proven")
            run.result |= {"counts": counts, "notices": notices}
            raise typer.Exit(ExitCode.FAILED if failed else ExitCode.DONE)


def _told(held: Holdings) -> str:
    listed = (f"{name} {number}{'+' * (number >= COUNTED_AT_MOST)}" for name, number in sorted(held.items()))
    return f" ({', '.join(listed)})" if held else ""
