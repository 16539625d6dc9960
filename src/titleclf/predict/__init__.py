"""`python -m titleclf.predict`: the categories of titles."""
