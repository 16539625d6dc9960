"""TV guides in XMLTV: fill the categories that are missing, and learn from those that are there."""
