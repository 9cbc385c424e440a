-- depends_on: {{ ref('mask__rental_postgres__address') }}
{{ masked_rows('rental_postgres', 'customer') }}
