"""Names of uploaded guides."""

import pytest

from titleclf.serve.uploads import filled_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("guide.xml", "guide.filled.xml"),
        ("guide.xml.gz", "guide.filled.xml.gz"),
        ("a.b.xmltv.XZ", "a.b.filled.xmltv.XZ"),
        ("guide", "guide.filled"),
        (".xml", "guide.filled.xml"),
    ],
)
def test_names_of_filled_copies(name, expected):
    assert filled_name(name) == expected
