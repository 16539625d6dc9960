"""TV guides in XMLTV: fill missing categories, and learn from existing ones."""
