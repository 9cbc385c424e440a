"""Ids of any form, salts for `hash`, and what a mask says of a stretch of a table and of columns it must not touch.

Add here: nothing; a further change is a new migration.
Keep out: personal data anywhere but in `targets`.
"""

from alembic import op

revision = "0002"
down_revision = "0001"

# Not every platform's ids are uuids; as text each world's own are compared by the type of its columns.
IDS = """
alter table erasure.targets
    alter column contributor_id type text using contributor_id::text,
    alter column person_id type text using person_id::text,
    drop constraint targets_kind_check,
    add constraint targets_kind_check check (kind in (
        'requested', 'contributor', 'excluded', 'email', 'name', 'phone', 'salt', 'former_status'
    ));
alter table erasure.erased alter column contributor_id type text using contributor_id::text;
"""

FUNCTIONS = """
create function erasure.advance_step(
    wanted_batch text, wanted_store text, wanted_object text, wanted_stage text, changed bigint
) returns void language plpgsql as $$
begin
    update erasure.steps
    set done = coalesce(done, 0) + changed
    where batch_id = wanted_batch and store = wanted_store and object = wanted_object and stage = wanted_stage
        and state = 'pending';
    if not found then
        raise exception 'step %/%/% is not pending', wanted_store, wanted_object, wanted_stage using errcode = 'ER002';
    end if;
end $$;

create function erasure.require_untouched(masked_table text, touched bigint) returns void language plpgsql as $$
begin
    if touched > 0 then
        raise exception 'untouched columns of % rows of % were changed', touched, masked_table using errcode = 'ER003';
    end if;
end $$;
"""


def upgrade() -> None:
    """Widens the ids and adds the two functions."""
    op.execute(IDS)
    op.execute(FUNCTIONS)
