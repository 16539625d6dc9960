"""A web service and its page: classifies titles, fills uploaded guides and serves filled copies of watched ones."""
