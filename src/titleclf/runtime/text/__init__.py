"""From what a guide says to ids: characters, n-grams, keys, channels and durations."""
