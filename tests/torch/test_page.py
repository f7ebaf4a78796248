"""docs/torch-checkpoints.md says what the package is."""

from support.torch_page import PAGE, page


def test_page_is_up_to_date():
    assert PAGE.read_text() == page(), "run PYTHONPATH=.:tests python -m support.torch_page"
