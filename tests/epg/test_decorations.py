import pytest

from titleclf.epg.decorations import undecorated


@pytest.mark.parametrize(
    ("title", "bare"),
    [
        *(("NEW: Heat (R)", "Heat"), ("Heat ᴺᴱᵂ", "Heat"), ("[HD] Live - Heat [OmU] 12+", "Heat"), ("Heat", "Heat")),
        *(
            ("New Amsterdam", "New Amsterdam"),
            ("Live at the Apollo", "Live at the Apollo"),
            ("Ocean's 12", "Ocean's 12"),
        ),
        *(("(R)", "(R)"), ("", ""), ("[Live]", "[Live]")),
    ],
)
def test_decorations_that_are_set_apart_are_removed(title, bare):
    assert undecorated(title) == bare
