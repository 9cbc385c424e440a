{{ masked_rows('rental_clickhouse', 'rentals') }}
