-- Rows that follow from other rows, made where those already are.
-- The app tells of about one judgment in twelve, with the email of the moment. A few times nobody was logged in.
-- Its ids have their highest bit set, so that none is that of an event that came with its contributor.
INSERT INTO app_events
WITH cityHash64(unit_id, contributor_id, created_at) AS hash, intDiv(hash, 4096) AS draw
SELECT
    bitOr(hash, 0x8000000000000000) AS event_id,
    'work' AS event,
    if(draw % 20 = 0, NULL, email) AS worker_email,
    if(draw % 16 = 0, NULL, concat('192.0.2.', toString(draw % 254 + 1))) AS ip,
    seconds_spent * 1000 AS duration_ms,
    created_at
FROM unit_metrics
WHERE hash % 12 = 0;

-- Of about one judgment in six its contributor was told, at whatever address was written down.
INSERT INTO notifications
WITH sipHash64(unit_id, contributor_id, created_at) AS hash
SELECT
    hash AS notification_id,
    multiIf(hash % 3 = 0, upper(email), email) AS recipient,
    if(hash % 2 = 0, 'paid', 'reviewed') AS kind,
    addHours(created_at, hash % 48) AS sent_at
FROM unit_metrics
WHERE intDiv(hash, 64) % 6 = 0;

INSERT INTO job_totals
SELECT
    job_id,
    count() AS judgments,
    sum(seconds_spent) AS seconds_spent
FROM unit_metrics
GROUP BY job_id;
