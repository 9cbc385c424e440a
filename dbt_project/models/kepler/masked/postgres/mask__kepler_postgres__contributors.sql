{{ masked_rows('kepler_postgres', 'contributors') }}
