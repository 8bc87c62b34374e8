"""What a training's history says."""

from __future__ import annotations

import pytest

from webapp.reports.training_curves import by_stage, has_curves, loss_svg, right_svg

OLD = [
    {
        "stage": "head",
        "seconds": 30.0,
        "loss": None,
        "validation_loss": 1.5,
        "validation_top1": 0.5,
    },
    {
        "stage": "small",
        "seconds": 100.0,
        "loss": 1.2,
        "validation_loss": 1.0,
        "validation_top1": 0.7,
    },
    {
        "stage": "small",
        "seconds": 300.0,
        "loss": 0.9,
        "validation_loss": 0.8,
        "validation_top1": 0.8,
    },
    {
        "stage": "large",
        "seconds": 50.0,
        "loss": 0.8,
        "validation_loss": 0.7,
        "validation_top1": 0.85,
    },
]
NEW = [
    line | {"photos_per_second": 10.0 * number, "waited": 0.01 * number, "rate": 1e-3}
    for number, line in enumerate(OLD)
]


def test_stages_are_summed_up_by_their_seconds() -> None:
    small = by_stage(NEW)[1]
    assert (small["name"], small["epochs"], small["seconds"]) == ("small", 2, 400.0)
    assert small["photos_per_second"] == pytest.approx((10 * 100 + 20 * 300) / 400)
    assert small["waited"] == pytest.approx((0.01 * 100 + 0.02 * 300) / 400)


def test_an_older_card_has_stages_without_speeds() -> None:
    assert by_stage(OLD)[0] == {"name": "head", "epochs": 1, "seconds": 30.0}


def test_the_curves_mark_where_a_stage_begins() -> None:
    assert ">large</text>" in loss_svg(NEW)
    assert ">small</text>" not in loss_svg(NEW)  # the first is no change
    assert "epoch" in right_svg(NEW)


@pytest.mark.parametrize("history", [[], OLD[:1], [{"stage": "one", "seconds": 1.0, "loss": 2.0}]])
def test_what_is_too_short_has_no_curves_and_still_draws(history: list[dict[str, object]]) -> None:
    assert not has_curves(history)
    assert loss_svg(history).startswith("<svg")
    assert by_stage(history) == by_stage(list(history))
