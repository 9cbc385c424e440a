{{ masked_rows('rental_postgres', 'address') }}
