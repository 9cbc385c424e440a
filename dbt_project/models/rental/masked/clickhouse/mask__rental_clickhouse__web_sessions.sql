{{ masked_rows('rental_clickhouse', 'web_sessions') }}
