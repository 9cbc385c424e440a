{{ masked_rows('kepler_postgres', 'disputes') }}
