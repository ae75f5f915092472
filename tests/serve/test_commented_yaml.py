"""New values in YAML texts that keep their comments."""

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.serve.commented_yaml import with_values

TEXT = """\
# Measured on site
units: pixels   # of the camera
size: [160, 120]
zones:
  - name: door
    polygon: [[1, 2], [30, 2], [30, 40]]   # by hand
    dwell_s: 5  # seconds
  # behind the house
  - name: "gate"
    polygon:
      - [5, 5]
      - [9, 5]
      - [9, 9]
lines: []
# the end
"""


def tree() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(TEXT)
    return found


def changed(values: dict[str, Any], text: str = TEXT) -> str:
    found = with_values(text, values)
    assert found is not None
    assert yaml.safe_load(found) == values
    return found


def test_equal_values_change_nothing() -> None:
    assert with_values(TEXT, tree()) == TEXT


def test_one_value() -> None:
    values = tree()
    values["zones"][0]["dwell_s"] = 7
    assert changed(values) == TEXT.replace("dwell_s: 5", "dwell_s: 7").replace(
        "\n      - [5, 5]\n      - [9, 5]\n      - [9, 9]",
        "\n      - [5, 5]\n      - [9, 5]\n      - [9, 9]",
    )


def test_a_new_zone_before_the_others_and_a_new_key() -> None:
    values = tree()
    values["zones"].insert(0, {"name": "new", "polygon": [[0, 0], [1, 0], [1, 1]]})
    values["zones"][1]["classes"] = ["person"]
    found = changed(values)
    assert "  - name: new\n    polygon: [[0, 0], [1, 0], [1, 1]]\n  - name: door\n" in found
    assert "# by hand" in found


def test_comments_beside_a_removed_zone_stay() -> None:
    values = tree()
    del values["zones"][0]
    found = changed(values)
    assert found.endswith("# the end\n# behind the house\n")
    assert "door" not in found


@pytest.mark.parametrize("name", ["on", "2024-01-31", "2024-13-45"])
def test_names_that_are_no_text_in_yaml_1_1_are_quoted(name: str) -> None:
    values = tree()
    values["lines"] = [{"name": name, "points": [[0, 0], [3, 3]]}]
    assert f'- name: "{name}"' in changed(values)


@pytest.mark.parametrize(
    "text", ["", "# only a comment\n", "- a\n", "a: [\n", "a: &x {b: 1}\nc: *x\n"]
)
def test_texts_that_cannot_be_changed_in_place(text: str) -> None:
    assert with_values(text, {"a": {"b": 2}, "c": {"b": 1}}) is None


NAMES = st.text("abcdeno1.:#'\" ", min_size=1, max_size=5)


@settings(max_examples=30)
@given(
    st.lists(
        st.fixed_dictionaries({"name": NAMES, "polygon": st.lists(st.lists(st.integers(0, 9)))}),
        max_size=4,
    )
)
def test_any_entries_are_read_again(zones: list[dict[str, Any]]) -> None:
    """Or the text says that it cannot: names that occur twice cannot be told apart."""
    found = with_values(TEXT, {"zones": zones})
    if len({zone["name"] for zone in zones}) == len(zones):
        assert found is not None
    if found is not None:
        assert yaml.safe_load(found) == {"zones": zones}
        assert all(line in found for line in ("# Measured on site", "# the end"))
