"""What the job API reads and writes in the platform's stores.

Holds: contributors, jobs, units and judgments in Postgres, sessions in Redis; every call looks anew.
Add here: another question a call asks of a store.
Keep out: HTTP (`app.py`), caching of any kind: an erased contributor must be refused by the very next call.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import redis
from sqlalchemy import URL, Engine, create_engine, text

from sandbox.job_api.settings import JobApiSettings

SESSION_SECONDS = 24 * 60 * 60
UNITS_AT_ONCE = 5
MOST_ROUTED = 10_000

# The table has no sequence; this number names the lock under which the next id is taken.
JUDGMENT_ID_LOCK = 7_166_001


@dataclass(frozen=True, kw_only=True)
class Contributor:
    contributor_id: UUID
    email: str
    status: str


@dataclass(frozen=True, kw_only=True)
class Unit:
    unit_id: UUID
    url: str


class Platform:
    """Both stores, each behind a pool of connections."""

    def __init__(self, settings: JobApiSettings) -> None:
        self._postgres = _postgres(settings)
        self._redis = redis.Redis(
            host=settings.redis_host,
            port=settings.redis_port,
            db=settings.redis_db,
            password=settings.redis_password.get_secret_value(),
            socket_timeout=5,
            decode_responses=True,
        )

    def ping(self) -> None:
        """Raise unless both stores answer."""
        with self._postgres.connect() as connection:
            connection.execute(text("select 1"))
        self._redis.ping()

    def has_job(self, job_id: UUID) -> bool:
        with self._postgres.connect() as connection:
            found = connection.execute(text("select 1 from jobs where job_id = :job"), {"job": job_id})
            return found.first() is not None

    def contributor(self, contributor_id: UUID) -> Contributor | None:
        query = text("select contributor_id, email, status from contributors where contributor_id = :id")
        with self._postgres.connect() as connection:
            row = connection.execute(query, {"id": contributor_id}).first()
        if row is None:
            return None
        return Contributor(contributor_id=row.contributor_id, email=row.email, status=row.status)

    def units(self, job_id: UUID) -> list[Unit]:
        query = text("select unit_id, url from units where job_id = :job order by unit_id limit :most")
        with self._postgres.connect() as connection:
            rows = connection.execute(query, {"job": job_id, "most": UNITS_AT_ONCE}).all()
        return [Unit(unit_id=row.unit_id, url=row.url) for row in rows]

    def add_judgment(
        self, contributor: Contributor, *, job_id: UUID, unit_id: UUID, label: str, ip: str | None
    ) -> int | None:
        """The new judgment's id; None if the job has no such unit."""
        insert = text(
            "insert into judgments"
            " (judgment_id, unit_id, job_id, contributor_id, contributor_email, label, ip, created_at)"
            " select (select coalesce(max(judgment_id), 0) + 1 from judgments),"
            " unit_id, job_id, :contributor, :email, :label, :ip, now()"
            " from units where unit_id = :unit and job_id = :job returning judgment_id"
        )
        values = {
            "contributor": contributor.contributor_id,
            "email": contributor.email,
            "label": label,
            "ip": ip,
            "unit": unit_id,
            "job": job_id,
        }
        with self._postgres.begin() as connection:
            connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": JUDGMENT_ID_LOCK})
            judgment_id = connection.execute(insert, values).scalar_one_or_none()
        return None if judgment_id is None else int(judgment_id)

    def route(self, job_id: UUID, project_id: UUID, wanted: int) -> int | None:
        """Sees to it that the job has so many units of its project, taking what lacks from the project's other jobs.

        How many it has then, at most `wanted`; None where the job is not one of the project.
        """
        ours = text("select 1 from jobs where job_id = :job and project_id = :project for update")
        held = text("select count(*) from units where job_id = :job")
        move = text(
            "update units set job_id = :job where unit_id in ("
            " select units.unit_id from units inner join jobs on units.job_id = jobs.job_id"
            " where jobs.project_id = :project and units.job_id <> :job order by units.unit_id limit :lacking)"
        )
        values = {"job": job_id, "project": project_id}
        with self._postgres.begin() as connection:
            if connection.execute(ours, values).first() is None:
                return None
            number = int(connection.execute(held, values).scalar_one())
            if number < wanted:
                number += connection.execute(move, {**values, "lacking": wanted - number}).rowcount
        return min(number, wanted)

    def open_session(self, contributor: Contributor) -> str:
        """A new token, known to Redis for a day."""
        token = secrets.token_urlsafe(24)
        session = {
            "contributor_id": str(contributor.contributor_id),
            "email": contributor.email,
            "created_at": datetime.now(UTC).isoformat(),
        }
        index = _index_key(contributor.contributor_id)
        with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.set(_session_key(token), json.dumps(session), ex=SESSION_SECONDS)
            pipeline.sadd(index, token)
            pipeline.expire(index, SESSION_SECONDS)
            pipeline.execute()
        return token

    def session_owner(self, token: str) -> UUID | None:
        """Whose session this is; None if there is none."""
        stored = self._redis.get(_session_key(token))
        return None if stored is None else UUID(json.loads(str(stored))["contributor_id"])

    def close_session(self, token: str, contributor_id: UUID) -> None:
        with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.delete(_session_key(token))
            pipeline.srem(_index_key(contributor_id), token)
            pipeline.execute()


def _postgres(settings: JobApiSettings) -> Engine:
    url = URL.create(
        "postgresql+psycopg",
        username=settings.postgres_user,
        password=settings.postgres_password.get_secret_value(),
        host=settings.postgres_host,
        port=settings.postgres_port,
        database=settings.postgres_database,
    )
    # Pinged before use: the server may have been restarted. Parameters are people's data: never in errors.
    return create_engine(
        url,
        pool_size=5,
        max_overflow=15,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={"connect_timeout": 5},
    )


def _session_key(token: str) -> str:
    return f"session:{token}"


def _index_key(contributor_id: UUID) -> str:
    return f"sessions_by_contributor:{contributor_id}"
