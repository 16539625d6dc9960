"""A service and its page: titles, uploaded guides, and guides that are watched on disk and served filled."""
