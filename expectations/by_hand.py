"""What users look at by hand after a deletion: how often the mask is seen in the search index and in ClickHouse.

Holds: two counts over the engines' own interfaces, as the curl lines of users ask for them.
Add here: another thing that is looked at by hand.
Keep out: judging (`suites.py`), which reads everything and trusts no single number.
"""

import re

from erasure.errors import BadInput, StoreRefused, StoreUnavailable, safe_reason
from erasure.inventory import Inventory, InventoryObject
from erasure.patience import CLICKHOUSE_SECONDS
from erasure.rules import MASK, Rule
from erasure.settings import Settings

_PROJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


def require_project(project_id: str) -> None:
    """Raises BadInput for what cannot be a project's id: it becomes a part of an index' name."""
    if not _PROJECT.fullmatch(project_id):
        raise BadInput(
            "--project-id is no id of a project; expected letters, digits, - and _, such as a uuid."
        )


def masked_documents(settings: Settings, inventory: Inventory, project_id: str) -> int:
    """Documents of the project's index whose own person is the mask: `latest.workerEmail` in kepler."""
    import httpx

    from erasure.stores.search.access import access_of

    require_project(project_id)
    item, field = _first_of_documents(inventory)
    index = item.location.replace("*", project_id.lower())
    access = access_of(settings.elasticsearch)
    address = "/".join(filter(None, (access.prefix, index, "_count")))
    host = f"[{access.host}]" if ":" in access.host else access.host
    url = f"{access.scheme}://{host}:{access.port}/{address}"
    try:
        with httpx.Client(
            timeout=settings.elasticsearch.connect_seconds, verify=access.tls or True
        ) as client:
            answer = client.post(url, json={"query": {"term": {field: MASK}}}, headers=dict(access.headers))
    except httpx.HTTPError as error:
        raise StoreUnavailable(
            store="elasticsearch",
            what=f"could not be reached ({safe_reason(error)})",
            remedy="check [elasticsearch] url",
        ) from None
    if not answer.is_success:
        raise StoreRefused(
            store="elasticsearch",
            object_name=item.name,
            what=f"the index of the project would not be counted (HTTP {answer.status_code})",
            remedy="check --project-id",
        )
    return int(answer.json()["count"])


def masked_records(settings: Settings, inventory: Inventory) -> tuple[str, int]:
    """The table that users look at (`unit_metrics` in kepler), and how many of its rows have the mask for an email."""
    import clickhouse_connect
    from clickhouse_connect.driver.exceptions import Error

    item, column = _widest_table(inventory)
    section = settings.clickhouse
    name = ".".join(_quoted(part) for part in (item.schema, item.location))
    try:
        client = clickhouse_connect.get_client(
            host=section.host,
            port=section.port,
            username=section.username,
            password=section.password.get_secret_value(),
            connect_timeout=section.connect_seconds,
            send_receive_timeout=CLICKHOUSE_SECONDS,
            query_retries=0,
        )
        try:
            found = client.query(
                f"select count() from {name} where {_quoted(column)} = {{mask:String}}",
                parameters={"mask": MASK},
            )
        finally:
            client.close()
    except Error as error:
        raise StoreUnavailable(
            store="clickhouse",
            object_name=item.name,
            what=f"could not be counted ({safe_reason(error)})",
            remedy="check [clickhouse] in the configuration",
        ) from None
    return item.name, int(found.result_rows[0][0])


def _first_of_documents(inventory: Inventory) -> tuple[InventoryObject, str]:
    """The first field of the first index that holds one person's mask, and not that of a list of people."""
    for item in inventory.registered("elasticsearch"):
        for field in item.fields:
            if field.rule is Rule.CONSTANT and "[]" not in field.name:
                return item, field.name
    raise BadInput(f"The inventory of {inventory.world} has no index in which the mask could be looked for.")


def _widest_table(inventory: Inventory) -> tuple[InventoryObject, str]:
    """The widest table that knows people by id and email, and of which the email becomes the mask: what else there is
    are copies of parts of it."""
    found = [
        item
        for item in inventory.of("clickhouse")
        if item.subject.contributor_id
        and item.subject.email in {field.name for field in item.fields if field.rule is Rule.CONSTANT}
    ]
    if not found:
        raise BadInput(
            f"The inventory of {inventory.world} has no table in which the mask could be looked for."
        )
    widest = max(found, key=lambda item: (len(item.known_fields), item.name))
    return widest, str(widest.subject.email)


def _quoted(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
