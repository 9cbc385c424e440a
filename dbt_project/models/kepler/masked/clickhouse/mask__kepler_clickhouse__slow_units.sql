{{ masked_rows('kepler_clickhouse', 'slow_units') }}
