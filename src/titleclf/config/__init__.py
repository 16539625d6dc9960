"""Configuration: schemas, rules and the files that hold it; Hydra stays in here."""
