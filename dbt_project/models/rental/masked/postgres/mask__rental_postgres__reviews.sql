{{ masked_rows('rental_postgres', 'reviews') }}
