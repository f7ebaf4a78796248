"""docs/distributed.md says what the compiler says."""

from support.distributed_page import PAGE, page


def test_table_is_current():
    assert PAGE.read_text(encoding="utf-8") == page()
