"""titleclf tells what kind of programme a TV title is, character by character."""

__version__ = "0.1.0"
