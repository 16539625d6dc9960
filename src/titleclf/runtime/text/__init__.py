"""From the fields of a guide to ids: characters, n-grams, keys, channels and durations."""
