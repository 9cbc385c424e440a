CREATE TABLE unit_metrics
(
    project_id UUID,
    job_id UUID,
    unit_id UUID,
    contributor_id UUID,
    email String,
    label String,
    country LowCardinality(String),
    seconds_spent UInt32,
    created_at DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (project_id, unit_id, contributor_id);

CREATE TABLE app_events
(
    event_id UInt64,
    event LowCardinality(String),
    worker_email Nullable(String),
    ip Nullable(String),
    duration_ms UInt32,
    created_at DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (created_at, event_id);

-- Looked up by recipient: the email is the first column of the key.
CREATE TABLE notifications
(
    notification_id UInt64,
    recipient String,
    kind LowCardinality(String),
    sent_at DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (recipient, sent_at, notification_id);

CREATE TABLE slow_units
(
    unit_id UUID,
    contributor_id UUID,
    email String,
    seconds_spent UInt32,
    created_at DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (created_at, unit_id, contributor_id);

CREATE MATERIALIZED VIEW slow_units_mv TO slow_units
AS SELECT unit_id, contributor_id, email, seconds_spent, created_at
FROM unit_metrics
WHERE seconds_spent >= 450;

-- No person in it.
CREATE TABLE job_totals
(
    job_id UUID,
    judgments UInt64,
    seconds_spent UInt64
)
ENGINE = MergeTree
ORDER BY job_id;
