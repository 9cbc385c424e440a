{{ masked_rows('kepler_postgres', 'login_events') }}
