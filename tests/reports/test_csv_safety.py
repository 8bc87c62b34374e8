"""Tables for spreadsheets."""

from __future__ import annotations

import pytest

from webapp.reports.csv_safety import safe_cell, to_csv


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "'=1"])
def test_no_text_is_taken_for_a_formula(cell: str) -> None:
    assert safe_cell(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["ferrari", "", "'tis", -0.5, None, "a=b"])
def test_all_else_stays(cell: object) -> None:
    assert safe_cell(cell) == cell


def test_a_table_has_a_heading_and_empty_cells() -> None:
    assert to_csv(("label", "n"), [("=a", 1), ('b,"c"', None)]) == 'label,n\n\'=a,1\n"b,""c""",\n'
