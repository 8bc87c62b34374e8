"""The parts that photos had for the version that training starts from."""

from pathlib import Path

from webapp.errors import BadCardError, TrainingError
from webapp.inference.models import held_out
from webapp.inference.models.card import KERAS_FILE
from webapp.inference.models.detector_card import read_card
from webapp.training.job import say


def earlier_parts(weights: str | Path) -> held_out.Split:
    """The part that each photo had for the version whose network training starts from: "train" for
    all that the network was trained on.

    Empty for other weights, and for a version without such a list, which is said. Photos that only
    calibrated a refitted network are left out. Raises `TrainingError` if the version's card cannot
    be read.
    """
    folder = Path(weights).parent
    if Path(weights).name != KERAS_FILE:
        return {}
    try:
        card = read_card(folder)
    except BadCardError as error:
        raise TrainingError(f"The version {folder} cannot be started from: {error}.") from error
    parts = held_out.read_split(folder, card)
    if parts is None:
        say(
            f"{card} carries no list of the photos it was trained on: if photos of yours are "
            "among them, the figures will flatter"
        )
        return {}
    if "validation" not in str(card.split.get("learnt_from", "")):
        return parts
    return {sha256: "train" for sha256, part in parts.items() if part != held_out.HELD_OUT}
