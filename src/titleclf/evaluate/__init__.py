"""`python -m titleclf.evaluate`: how good a model is on labelled titles."""
