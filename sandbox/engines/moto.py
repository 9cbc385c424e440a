"""S3 by moto's server, which every machine with Python can run.

Holds: how it is started. It keeps objects in memory: they are gone when it stops, and any credentials are good
enough for it.
Add here: an option of it.
Keep out: buckets and the look whether it answers (`s3.py`).
"""

from __future__ import annotations

from importlib.metadata import version
from typing import ClassVar

from sandbox.engines.base import python_launch
from sandbox.engines.s3 import S3
from sandbox.processes import Launch


class Moto(S3):
    kind: ClassVar[str] = "moto"
    keeps_data: ClassVar[bool] = False
    packages: ClassVar[tuple[str, ...]] = ("moto", "flask")

    def launch(self) -> Launch:
        return python_launch(
            "sandbox.engines.moto_process",
            self.config.host,
            str(self.config.s3_port),
            directory=self.directory,
            environment={},
        )

    def version(self) -> str:
        return f"moto {version('moto')}"
