{{ masked_rows('kepler_clickhouse', 'notifications') }}
