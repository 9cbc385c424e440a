{{ masked_rows('kepler_postgres', 'support_messages') }}
