{{ masked_rows('kepler_clickhouse', 'unit_metrics') }}
