"""What cannot be erased: that it was accepted, and steps that end without it.

Add here: nothing; a further change is a new migration.
Keep out: personal data.
"""

from alembic import op

revision = "0003"
down_revision = "0002"

CHANGES = """
alter table erasure.batches add column accepts_not_erasable boolean not null default false;
comment on column erasure.batches.accepts_not_erasable is 'whoever executed it knew that some of it cannot be erased';
alter table erasure.steps
    drop constraint steps_state_check,
    add constraint steps_state_check check (state in ('planned', 'pending', 'done', 'failed', 'not_erasable'));
"""


def upgrade() -> None:
    """Adds the column and the state."""
    op.execute(CHANGES)
