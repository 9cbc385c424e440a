-- depends_on: {{ ref('mask__kepler_postgres__disputes') }}
{{ masked_rows('kepler_postgres', 'judgments') }}
