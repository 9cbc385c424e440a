"""The process behind the S3 engine: moto's server without its access log.

Holds: that one deviation. The log would name every object key, and keys name people.
Add here: nothing else.
Keep out: how it is started and asked (`moto.py`).
"""

from __future__ import annotations

import logging
import sys


def main(host: str, port: str) -> None:
    from moto.server import main as serve

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    serve(["-H", host, "-p", port])


if __name__ == "__main__":
    main(*sys.argv[1:])
