{{ masked_rows('rental_postgres', 'sessions') }}
