"""What every command shares, without an engine: its log file.

Add here: what runs of all commands have in common.
Keep out: what a command does.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from dagster_defs.cli.run import LOG, Run, reporting
from erasure.settings import VAR_VARIABLE


def test_runs_that_begin_in_one_second_have_a_log_file_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VAR_VARIABLE, str(tmp_path))
    for _ in range(5):
        run = Run(command="check", as_json=False, config=None, integration=False)
        with pytest.raises(typer.Exit), reporting(run):
            run.say("one line")
            for handler in LOG.handlers:
                handler.close()
            run.say("another line")
    # A file that something has closed in the meantime is written to its end nevertheless.
    logs = list((tmp_path / "logs").glob("check_*.log"))
    assert len(logs) == 5
    assert all(log.read_text(encoding="utf-8").count("another line") == 1 for log in logs)


@pytest.mark.parametrize(
    ("config", "integration", "typed"),
    [
        (None, False, "contributor-deletion resume b1"),
        ("/etc/my config.ini", False, "contributor-deletion --config '/etc/my config.ini' resume b1"),
        (None, True, "contributor-deletion --integration resume b1"),
    ],
)
def test_a_command_that_is_told_repeats_the_settings_that_were_named(
    config: str | None, integration: bool, typed: str
) -> None:
    run = Run(command="delete", as_json=False, config=config, integration=integration)
    assert run.as_typed("resume b1") == typed
