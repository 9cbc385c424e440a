"""Lines of shell that set ClickHouse's environment variables: what `setup_clickhouse_env.sh` evaluates.

Add here: another variable.
Keep out: the connection's test (the script does it as a user would, with curl).
"""

import os
import shlex
import sys
from collections.abc import Sequence

from erasure.errors import BadInput, ExitCode
from erasure.settings import config_path, load_settings


def lines(arguments: Sequence[str]) -> list[str]:
    """`export NAME=value`, quoted for any shell. Raises BadInput for settings that are wrong.

    A sourced script sees the arguments of whoever sources it, so unknown ones are left alone.
    """
    given = list(arguments)
    config = next((a.partition("=")[2] for a in given if a.startswith("--config=")), None)
    if "--config" in given:
        config = (*given, "")[given.index("--config") + 1]
    path = config_path(config=config, integration="--integration" in given, environ=os.environ)
    section = load_settings(path, environ=os.environ).clickhouse
    host = f"[{section.host}]" if ":" in section.host else section.host
    values = {
        "CLICKHOUSE_HOST": section.host,
        "CLICKHOUSE_PORT": str(section.port),
        "CLICKHOUSE_URL": f"http://{host}:{section.port}",
        "CLICKHOUSE_USERNAME": section.username,
        "CLICKHOUSE_PASSWORD": section.password.get_secret_value(),
    }
    return [f"export {name}={shlex.quote(value)}" for name, value in values.items()]


def main() -> int:
    try:
        print("\n".join(lines(sys.argv[1:])))
    except BadInput as error:
        print(f"❌ {error}", file=sys.stderr)
        return ExitCode.BAD_INPUT
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main())
