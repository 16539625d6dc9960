"""A trained model as a folder on the disk."""
