{{ masked_rows('kepler_postgres', 'payments') }}
