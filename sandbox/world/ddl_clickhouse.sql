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
