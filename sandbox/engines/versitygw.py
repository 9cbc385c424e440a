"""S3 by Versity's gateway over a directory: a real server, with real credentials, which keeps what it has taken.

Holds: how its program is found or built, and how it is started. The build is pinned by `sandbox/versitygw/go.mod` and
`go.sum`, and kept in the cache; where a `versitygw` is on the PATH, that one is used.
Add here: an option of the gateway.
Keep out: buckets and the look whether it answers (`s3.py`).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import ClassVar

from sandbox.engines.s3 import S3
from sandbox.paths import PACKAGE_DIRECTORY, cache_directory
from sandbox.processes import INHERITED_VARIABLES, Launch

PROGRAM = "versitygw"
MODULE = "github.com/versity/versitygw"
MODULE_DIRECTORY = PACKAGE_DIRECTORY / "versitygw"
# A cold build fetches some hundred modules first.
BUILD_SECONDS = 900
SAID_CHARACTERS = 500


class NotBuilt(Exception):
    """The program cannot be had, or not run, here; the message says why."""


class VersityGw(S3):
    kind: ClassVar[str] = "versitygw"

    @classmethod
    def available(cls, root: Path) -> str | None:
        try:
            program()
            _require_attributes(root)
        except NotBuilt as error:
            return str(error)
        return None

    def prepare(self) -> None:
        super().prepare()
        for directory in (self._objects, self._versions):
            directory.mkdir(exist_ok=True)
        _require_attributes(self._objects)
        program()

    def launch(self) -> Launch:
        config = self.config
        return Launch(
            arguments=[
                _located(),
                # Its log would name every object key, and keys name people.
                "--quiet",
                *("--port", f"{config.host}:{config.s3_port}"),
                *("--region", config.s3_region),
                "posix",
                *("--versioning-dir", self._versions),
                self._objects,
            ],
            directory=self.directory,
            # Not as arguments: those are visible to everybody on the machine.
            environment={
                "ROOT_ACCESS_KEY_ID": config.s3_access_key,
                "ROOT_SECRET_ACCESS_KEY": config.s3_secret_key,
            },
        )

    def version(self) -> str:
        return f"{PROGRAM} {_version(_located())}"

    @property
    def _objects(self) -> Path:
        return self.directory / "objects"

    @property
    def _versions(self) -> Path:
        return self.directory / "versions"


def program() -> Path:
    """The gateway's program: from the PATH, from the cache, or built into it; raises NotBuilt."""
    located = _located()
    if not located.exists():
        located.parent.mkdir(parents=True, exist_ok=True)
        # Two sandboxes that start at once build once.
        with (located.parent / f"{PROGRAM}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not located.exists():
                _build(located)
    return located


def _located() -> Path:
    """Where the program is, or will be once it is built."""
    found = shutil.which(PROGRAM)
    return Path(found) if found else _built()


def _built() -> Path:
    """One program for each state of go.mod and go.sum."""
    pinned = b"".join((MODULE_DIRECTORY / name).read_bytes() for name in ("go.mod", "go.sum"))
    return cache_directory() / PROGRAM / hashlib.sha256(pinned).hexdigest()[:16] / PROGRAM


def _build(built: Path) -> None:
    go = shutil.which("go")
    if go is None:
        raise NotBuilt(f"no {PROGRAM} is on the PATH, and no Go to build it")
    # Into a file beside it, then renamed: an interrupted build leaves no half program.
    with tempfile.TemporaryDirectory(dir=built.parent, prefix=".build-") as scratch:
        fresh = Path(scratch) / PROGRAM
        try:
            done = subprocess.run(
                [
                    go,
                    "build",
                    "-trimpath",
                    # Checked against go.sum, which a build must not change.
                    "-mod=readonly",
                    f"-ldflags=-s -w -X main.Version={_pinned_version()}",
                    *("-o", fresh),
                    f"{MODULE}/cmd/{PROGRAM}",
                ],
                cwd=MODULE_DIRECTORY,
                env=_build_environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=BUILD_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise NotBuilt(f"{PROGRAM} was not built within {BUILD_SECONDS} s") from None
        if done.returncode != 0:
            said = " ".join(done.stderr.split())[:SAID_CHARACTERS]
            raise NotBuilt(f"{PROGRAM} cannot be built: {said}")
        os.replace(fresh, built)


def _build_environment() -> dict[str, str]:
    # Of the caller's settings for Go only those that say where modules come from and go to.
    wanted = (
        *INHERITED_VARIABLES,
        "GOPROXY",
        "GONOSUMDB",
        "GONOSUMCHECK",
        "GOSUMDB",
        "GOMODCACHE",
        "GOCACHE",
    )
    kept = {name: os.environ[name] for name in wanted if name in os.environ}
    # Without a C compiler, and with no other toolchain than the one that is here.
    return {**kept, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "", "GOWORK": "off"}


def _pinned_version() -> str:
    for line in (MODULE_DIRECTORY / "go.mod").read_text(encoding="utf-8").splitlines():
        name, _, rest = line.strip().partition(" ")
        if name == MODULE:
            return rest.split()[0]
    raise NotBuilt(f"{MODULE_DIRECTORY / 'go.mod'} does not name {MODULE}")


def _version(path: Path) -> str:
    told = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30, check=False)
    for line in told.stdout.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "Version":
            return value.strip()
    return "(unknown version)"


def _require_attributes(directory: Path) -> None:
    """Metadata of objects are extended attributes, which not every file system has."""
    try:
        os.setxattr(directory, "user.sandbox", b"1")
    except OSError as error:
        raise NotBuilt(
            f"{directory} cannot hold extended attributes ({error.strerror}), in which {PROGRAM} keeps metadata"
        ) from None
