{{ masked_rows('kepler_postgres', 'contributor_aliases') }}
