{{ masked_rows('kepler_clickhouse', 'app_events') }}
