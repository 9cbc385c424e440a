{{ masked_rows('rental_postgres', 'payment') }}
