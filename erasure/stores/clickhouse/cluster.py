"""How statements read where ClickHouse is a cluster: `on cluster`, system tables of every replica, local tables.

Holds pure functions from names to SQL; an empty cluster is a server on its own, and changes nothing in a statement.
Add here: another clause that a cluster needs.
Keep out: running anything. No test here has more than one node, so what is rendered is all that is tested.
"""

import re

_TARGET_COLUMNS = "batch_id String, contributor_id String, kind LowCardinality(String), value String"


def quoted(name: str) -> str:
    """`name` as an identifier."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def literal(text: str) -> str:
    """`text` as a string."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def on_cluster(cluster: str) -> str:
    """The clause behind a table's name, with a blank before it; empty without a cluster."""
    return f" on cluster {quoted(cluster)}" if cluster else ""


def system_table(table: str, cluster: str) -> str:
    """A table such as `parts` of the database system, of every replica of the cluster."""
    return f"clusterAllReplicas({literal(cluster)}, system.{table})" if cluster else f"system.{table}"


def targets_ddl(cluster: str) -> str:
    """Creates `erasure.targets`; in a cluster every node has the whole of it, for a mutation reads its own."""
    engine = (
        "ReplicatedMergeTree('/clickhouse/erasure/targets', '{shard}-{replica}')" if cluster else "MergeTree"
    )
    return (
        f"create table if not exists erasure.targets{on_cluster(cluster)} ({_TARGET_COLUMNS}) engine = {engine}"
        " order by (kind, value) partition by batch_id settings old_parts_lifetime = 1"
    )


def targets_arrived(cluster: str) -> str | None:
    """Waits until every node has what was inserted into `erasure.targets`; None where there is one node."""
    return f"system sync replica{on_cluster(cluster)} erasure.targets" if cluster else None


def local_table(engine_full: str) -> tuple[str, str] | None:
    """Database and table behind a Distributed table; None for every other engine."""
    name, arguments = engine_arguments(engine_full)
    if name != "Distributed" or len(arguments) < 3:
        return None
    return _unquoted(arguments[1]), _unquoted(arguments[2])


def engine_arguments(engine_full: str) -> tuple[str, list[str]]:
    """The engine's name and what stands in the parentheses behind it, split at its commas."""
    found = re.match(r"(\w+)(\()?", engine_full)
    if found is None or not found.group(2):
        return (found.group(1) if found else ""), []
    depth, quote, at = 1, "", found.end()
    start, arguments = at, []
    while at < len(engine_full) and depth:
        letter = engine_full[at]
        if letter == "\\" and quote:
            at += 1
        elif quote:
            quote = "" if letter == quote else quote
        elif letter in "'`\"":
            quote = letter
        elif letter == "(":
            depth += 1
        elif letter == ")":
            depth -= 1
        if (letter == "," and depth == 1 and not quote) or depth == 0:
            arguments.append(engine_full[start:at].strip())
            start = at + 1
        at += 1
    return found.group(1), [argument for argument in arguments if argument]


def _unquoted(argument: str) -> str:
    bare = argument[1:-1] if argument[:1] in {"'", "`", '"'} else argument
    return re.sub(r"\\(.)", r"\1", bare)
