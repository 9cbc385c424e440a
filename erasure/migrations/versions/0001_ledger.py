"""The ledger: batches, lease, targets, steps, erased, and the two functions that a mask statement calls.

Add here: nothing; a further change is a new migration.
Keep out: personal data anywhere but in `targets`.
"""

from alembic import op

revision = "0001"
down_revision = None

TABLES = """
create table erasure.batches (
    batch_id text primary key,
    state text not null check (state in (
        'planned', 'lapsed', 'executing', 'failed', 'closed', 'closed_with_exceptions', 'erased', 'cancelled',
        'restored'
    )),
    world text not null,
    csv_sha256 text,
    fingerprint text,
    plan jsonb,
    reviewed boolean not null default false,
    cap_reason text,
    undo_days integer,
    access_proof jsonb,
    watermark timestamptz,
    planned_at timestamptz not null default now(),
    executed_at timestamptz,
    closed_at timestamptz,
    due_at timestamptz
);
comment on column erasure.batches.watermark is 'when access ended: what was written before is in the batch';
comment on column erasure.batches.due_at is 'when the needles are destroyed';

create sequence erasure.fence;
create table erasure.lease (
    fence bigint primary key,
    batch_id text not null references erasure.batches,
    run_id text not null,
    heartbeat_at timestamptz not null default now(),
    released_at timestamptz
);
create unique index one_executing_batch on erasure.lease ((true)) where released_at is null;

create table erasure.targets (
    batch_id text not null references erasure.batches,
    contributor_id uuid not null,
    person_id uuid,
    kind text not null check (kind in (
        'requested', 'contributor', 'excluded', 'email', 'name', 'phone', 'former_status'
    )),
    value text not null,
    reason text,
    line integer
);
-- ANALYZE of an emptied table keeps the most common values, and these would be needles.
alter table erasure.targets alter column value set statistics 0;
create index targets_by_kind on erasure.targets (batch_id, kind, contributor_id);
create index targets_by_person on erasure.targets (batch_id, person_id);
comment on table erasure.targets is 'the only place of the ledger with personal data; emptied when a batch expires';

create table erasure.steps (
    batch_id text not null references erasure.batches,
    store text not null,
    object text not null,
    stage text not null,
    state text not null check (state in ('planned', 'pending', 'done', 'failed')),
    planned bigint,
    pending bigint,
    done bigint,
    detail jsonb not null default '{}',
    attempts integer not null default 0,
    error_class text,
    started_at timestamptz,
    finished_at timestamptz,
    primary key (batch_id, store, object, stage)
);

create table erasure.erased (
    contributor_id uuid not null,
    email_hash text not null,
    batch_id text not null references erasure.batches,
    erased_at timestamptz not null default now(),
    restored_at timestamptz,
    primary key (contributor_id, email_hash, batch_id)
);
create index erased_by_email on erasure.erased (email_hash);
"""

# A mask statement asks for the lease and writes its count in its own transaction, so both live in the database.
FUNCTIONS = """
create function erasure.require_lease(wanted_batch text, wanted_fence bigint) returns void language plpgsql as $$
begin
    perform 1 from erasure.lease
    where batch_id = wanted_batch and fence = wanted_fence and released_at is null;
    if not found then
        raise exception 'the lease of batch % is no longer held by this run', wanted_batch using errcode = 'ER001';
    end if;
end $$;

create function erasure.finish_step(
    wanted_batch text, wanted_store text, wanted_object text, wanted_stage text, changed bigint
) returns void language plpgsql as $$
begin
    update erasure.steps
    set state = 'done', done = changed, finished_at = now(), error_class = null
    where batch_id = wanted_batch and store = wanted_store and object = wanted_object and stage = wanted_stage
        and state = 'pending';
    if not found then
        raise exception 'step %/%/% is not pending', wanted_store, wanted_object, wanted_stage using errcode = 'ER002';
    end if;
end $$;
"""


def upgrade() -> None:
    """Creates the ledger in schema `erasure`, which exists by then."""
    op.execute(TABLES)
    op.execute(FUNCTIONS)
