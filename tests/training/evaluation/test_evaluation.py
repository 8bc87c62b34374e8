"""Which photos a version is measured on, and the report of a classifier that knows colours."""

import csv
import hashlib
import io
import json
import os
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image, ImageColor

from tests.conftest import draw
from tests.fakes import TEAMS, FakeClassifier, make_card
from webapp.domain import NetworkOutput
from webapp.errors import TrainingError
from webapp.inference.decoding.images import Picture
from webapp.inference.models.card import Label
from webapp.inference.models.held_out import CALIBRATED_ON_IT, LabelledPhoto
from webapp.training.evaluation.evaluation import Evaluation, PredictedPhoto, predict_photos
from webapp.training.evaluation.files import (
    confusion_csv,
    make_folder,
    per_class_csv,
    predictions_csv,
    write_files,
)
from webapp.training.evaluation.photos import (
    PhotoSelection,
    choose_others,
    choose_photos,
)
from webapp.training.evaluation.report import make_report, warnings
from webapp.training.evaluation.report_text import page, terminal_lines
from webapp.training.readers import Listing, list_photos
from webapp.training.recipe import Layout

CARD = make_card()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three photos of Haas, three of McLaren, and a McLaren in the colour of Ferrari."""
    for label in ("haas", "mclaren"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for mark in range(3):
            (tmp_path / "data" / label / f"{mark}.jpg").write_bytes(speckled(TEAMS[label][1], mark))
    (tmp_path / "data" / "mclaren" / "old.jpg").write_bytes(speckled("#C00000", 9))
    return tmp_path / "data"


def speckled(color: str, seed: int, quality: int = 90) -> bytes:
    """A picture of about this colour with blots of its own: no near-duplicate of any other."""
    rng = np.random.default_rng([seed, *color.encode()])
    blots = np.array(ImageColor.getrgb(color)) + rng.integers(-25, 26, (8, 12, 1))
    stream = io.BytesIO()
    Image.fromarray(blots.clip(0, 255).astype(np.uint8)).resize(
        (120, 80), Image.Resampling.NEAREST
    ).save(stream, "JPEG", quality=quality)
    return stream.getvalue()


@pytest.fixture
def things(tmp_path: Path) -> Path:
    """Two photos of other things: one looks like a Ferrari, one half like a Haas."""
    (tmp_path / "things").mkdir()
    (tmp_path / "things" / "tomato.jpg").write_bytes(draw("#C00000", mark=9))
    (tmp_path / "things" / "fog.jpg").write_bytes(draw("#A0A0A0"))
    return tmp_path / "things"


def listed(folder: Path) -> Listing:
    return list_photos(folder, Layout(), folder.name)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def evaluate(
    data: Path,
    things: Path | None = None,
    split: dict[str, str] | None = None,
    *,
    include: bool = False,
    mirror: bool = False,
) -> Evaluation:
    """With a classifier that is torn between labels when a photo has none of their colours."""
    classifier = FakeClassifier(replace(CARD, threshold=0.9))
    selection = choose_photos(listed(data), classifier.card, split, include_training=include)
    known = predict_photos(classifier, selection, mirror=mirror)
    others = (
        predict_photos(classifier, choose_others(things, split), mirror=mirror) if things else None
    )
    return Evaluation(
        classifier.card, "litert", "folders", split is not None, include, known, others
    )


def names(selection: PhotoSelection) -> list[str]:
    return ["/".join(photo.path.parts[-2:]) for photo in selection.photos]


def file_names(selection: PhotoSelection) -> list[str]:
    return [photo.path.name for photo in selection.photos]


# ---- which photos ----


def test_photos_it_has_learnt_from_or_was_chosen_by_are_left_out_and_counted(data: Path) -> None:
    split = {
        digest(data / "haas" / "0.jpg"): "train",
        digest(data / "haas" / "1.jpg"): "validation",
    }
    split[digest(data / "haas" / "2.jpg")] = "test"
    chosen = choose_photos(listed(data), CARD, split)
    assert names(chosen) == [
        "haas/2.jpg",
        "mclaren/0.jpg",
        "mclaren/1.jpg",
        "mclaren/2.jpg",
        "mclaren/old.jpg",
    ]
    assert {photo.part for photo in chosen.photos} == {"test", "new"}
    assert chosen.left_out == {"train": 1, "validation": 1}
    assert chosen.flattering == {}


def test_it_refuses_when_every_photo_was_seen_unless_one_insists(data: Path) -> None:
    split = {digest(path): "train" for path in data.rglob("*.jpg")}
    with pytest.raises(
        TrainingError,
        match=r"has seen every one of these photos: 7 that it was trained on\..*--include-training",
    ):
        choose_photos(listed(data), CARD, split)
    chosen = choose_photos(listed(data), CARD, split, include_training=True)
    assert chosen.flattering == {"train": 7}


def test_a_refitted_version_has_learnt_from_its_validation_part_too(data: Path) -> None:
    card = replace(
        CARD,
        split={"learnt_from": "train and validation together, after validation had calibrated"},
    )
    with pytest.raises(
        TrainingError, match="chose its temperature and threshold and were trained on after that"
    ):
        choose_photos(
            listed(data), card, {digest(path): "validation" for path in data.rglob("*.jpg")}
        )


def test_a_version_calibrated_on_its_test_photos_says_what_that_flatters(data: Path) -> None:
    split = {digest(path): "test" for path in data.rglob("*.jpg")}
    evaluation = evaluate(data, split=split)
    assert warnings(evaluation) == []
    card = replace(
        evaluation.card,
        split={
            "learnt_from": f"train and validation together; {CALIBRATED_ON_IT}, measured by halves"
        },
    )
    assert "set the temperature and the limits" in warnings(replace(evaluation, card=card))[0]


def test_new_photos_that_nearly_repeat_a_training_photo_are_left_out_too(data: Path) -> None:
    (data / "haas" / "again.jpg").write_bytes(speckled(TEAMS["haas"][1], 0, quality=60))
    split = {digest(data / "haas" / "0.jpg"): "train", digest(data / "haas" / "1.jpg"): "test"}
    chosen = choose_photos(listed(data), CARD, split)
    assert chosen.left_out == {"train": 1, "near": 1}
    assert "haas/again.jpg" not in names(chosen)
    everything = choose_photos(listed(data), CARD, split, include_training=True)
    assert everything.flattering == {"train": 1, "near": 1}


def test_without_a_photo_that_it_has_seen_nothing_is_compared(data: Path) -> None:
    def never(photos: object) -> list[LabelledPhoto]:
        raise AssertionError(photos)

    assert (
        len(
            choose_photos(
                listed(data), CARD, {digest(data / "haas" / "1.jpg"): "test"}, watch=never
            ).photos
        )
        == 7
    )


def test_each_content_counts_once_and_none_under_two_labels(data: Path) -> None:
    (data / "haas" / "copy.jpg").write_bytes((data / "haas" / "0.jpg").read_bytes())
    (data / "haas" / "doubtful.jpg").write_bytes((data / "mclaren" / "old.jpg").read_bytes())
    chosen = choose_photos(listed(data), CARD, {})
    assert len(chosen.photos) == 6
    assert chosen.repeated == 1
    assert chosen.two_labels == ("data/haas/doubtful.jpg", "data/mclaren/old.jpg")


def test_labels_are_known_by_display_name_and_alias_too(data: Path) -> None:
    labels = (
        Label("haas", "Haas F1 Team"),
        Label("mclaren", "McLaren", aliases=("MCL",)),
        Label("ferrari", "Ferrari"),
    )
    (data / "haas").rename(data / "HAAS F1 team")
    (data / "mclaren").rename(data / "mcl")
    (data / "lada").mkdir()
    (data / "lada" / "a.jpg").write_bytes(draw("#111111"))
    chosen = choose_photos(listed(data), replace(CARD, labels=labels), {})
    assert {photo.label for photo in chosen.photos} == {"haas", "mclaren"}
    assert chosen.unknown_labels == {"lada": 1}


def test_it_says_which_labels_the_data_and_the_version_have_when_they_share_none(
    data: Path,
) -> None:
    card = replace(CARD, labels=(Label("audi", "Audi"), Label("bmw", "BMW")))
    with pytest.raises(
        TrainingError, match="The data has haas, mclaren; the version knows audi, bmw"
    ):
        choose_photos(listed(data), card, {})


def test_other_things_that_chose_its_limits_are_left_out(data: Path, things: Path) -> None:
    split = {digest(things / "fog.jpg"): "validation"}
    assert file_names(choose_others(things, split)) == ["tomato.jpg"]
    (things / "car.jpg").write_bytes((data / "haas" / "0.jpg").read_bytes())
    known = choose_photos(listed(data), CARD, {}).photos
    assert file_names(choose_others(things, {}, known=known)) == ["fog.jpg", "tomato.jpg"]
    (things / "tomato.jpg").unlink()
    with pytest.raises(TrainingError, match="no photo of other things"):
        choose_others(things, split, known=known)


# ---- what it says ----


def test_a_file_that_is_no_photo_is_named_and_left_out(data: Path) -> None:
    (data / "haas" / "notes.jpg").write_text("no photo")
    selection = choose_photos(listed(data), CARD, {})
    known = predict_photos(FakeClassifier(), selection)
    assert len(known.photos) == 7
    assert [sentence.split(":")[0] for sentence in known.refused] == ["data/haas/notes.jpg"]
    notes = tuple(photo for photo in selection.photos if photo.path.name == "notes.jpg")
    with pytest.raises(TrainingError, match="Not one of the 1 files can be read as a photo"):
        predict_photos(FakeClassifier(), replace(selection, photos=notes))


class LeftEye(FakeClassifier):
    """Knows a McLaren by its left half only."""

    def predict(self, picture: Picture) -> NetworkOutput:
        pixels = np.asarray(picture)
        return super().predict(pixels[:, : pixels.shape[1] // 2])


def test_mirrored_answers_are_the_mean_of_both(tmp_path: Path) -> None:
    """A picture of two halves: left like a McLaren, right like a Haas."""
    (tmp_path / "data" / "haas").mkdir(parents=True)
    halves = np.zeros((80, 120, 3), dtype=np.uint8)
    halves[:, :60], halves[:, 60:] = (255, 135, 0), (120, 120, 120)
    Image.fromarray(halves).save(tmp_path / "data" / "haas" / "a.png")
    selection = choose_photos(listed(tmp_path / "data"), CARD, {})
    (result,) = predict_photos(LeftEye(), selection, mirror=True).photos
    assert result.answer.decision == "mclaren"
    assert result.mirrored is not None
    assert result.mirrored.confidence == pytest.approx(0.5, abs=0.01)


# ---- the report ----


def test_the_report_counts_what_was_right_decided_and_mistaken(data: Path, things: Path) -> None:
    report = make_report(evaluate(data, things, split={}))
    figures = report["figures"]
    assert (
        figures["n"],
        figures["top1"],
        figures["unclassified"],
        figures["top1_when_decided"],
    ) == (7, 0.8571, 0.0, 0.8571)
    assert report["mix_ups"] == [{"truth": "mclaren", "answer": "ferrari", "n": 1, "of": 4}]
    assert [
        (row["label"], row["right"], row["n"], row["most_taken_for"]) for row in report["labels"]
    ] == [
        ("mclaren", 3, 4, "ferrari"),
        ("haas", 3, 3, None),
    ]
    assert (report["others"]["n"], report["others"]["unclassified"], report["others"]["named"]) == (
        2,
        0.5,
        {"ferrari": 1},
    )
    assert report["speed"]["n"] == 9
    assert report["warnings"] == []
    json.dumps(report, allow_nan=False)


RULE = {
    "scores": ["logit"],
    "means": [0.0],
    "spreads": [1.0],
    "slope": 1.0,
    "offset": 0.0,
    "threshold": 0.5,
}


class Wary(FakeClassifier):
    """Finds a photo familiar when it is colourful."""

    def predict(self, picture: Picture) -> NetworkOutput:
        colourful = float(np.ptp(np.asarray(picture).reshape(-1, 3).mean(axis=0)) > 30)
        return replace(super().predict(picture), familiarity=0.1 + 0.8 * colourful)


def test_what_looks_unlike_the_training_photos_is_counted_apart(data: Path, things: Path) -> None:
    evaluation = evaluate(data, things, split={}, mirror=True)
    assert make_report(evaluation)["figures"]["unfamiliar"] is None
    wary = Wary(replace(evaluation.card, familiarity=RULE))
    known, others = (
        predict_photos(wary, group.selection, mirror=True)
        for group in (evaluation.known, evaluation.others)
    )
    report = make_report(replace(evaluation, card=wary.card, known=known, others=others))
    figures, other_figures = report["figures"], report["others"]
    # the three grey cars of Haas
    assert (figures["unfamiliar"], figures["unclassified"]) == (0.4286, 0.4286)
    assert (other_figures["unfamiliar"], other_figures["auroc_of_familiarity"]) == (0.5, 0.5357)
    assert report["mirrored"]["unfamiliar"] == 0.4286
    assert any(
        line.startswith("AUROC") and "of the familiarity" in line for line in terminal_lines(report)
    )


def test_training_photos_are_confessed_everywhere(data: Path) -> None:
    split = {digest(path): "train" for path in (data / "haas").iterdir()}
    evaluation = evaluate(data, split=split, include=True)
    report = make_report(evaluation)
    assert report["warnings"] == [
        "f1-teams 1 has seen 3 of these 7 photos before: 3 that it was trained on. "
        "The figures say how well it remembers, not how well it sees."
    ]
    assert set(report["parts"]) == {"new", "train"}
    assert "3 of which it has seen before" in terminal_lines(report)[0]
    assert page(report).splitlines()[2:4] == ["> [!CAUTION]", f"> **{report['warnings'][0]}**"]


def test_a_version_that_does_not_say_what_it_learnt_from_is_not_believed(data: Path) -> None:
    report = make_report(evaluate(data))
    assert "Nobody knows which photos f1-teams 1 was trained on" in report["warnings"][0]
    assert "nobody knows whether it has seen them" in terminal_lines(report)[0]


def test_before_temperature_the_answers_are_those_of_the_network(data: Path) -> None:
    evaluation = evaluate(data, split={})
    warm = replace(evaluation, card=replace(evaluation.card, temperature=2.0))
    assert (
        make_report(evaluation)["figures"]["ece_before"]
        == make_report(evaluation)["figures"]["ece_after"]
    )
    assert make_report(warm)["figures"]["ece_before"] != make_report(warm)["figures"]["ece_after"]


def with_photos(evaluation: Evaluation, photos: list[PredictedPhoto]) -> Evaluation:
    return replace(evaluation, known=replace(evaluation.known, photos=photos))


def test_figures_by_source_come_with_two_sources_only(data: Path, tmp_path: Path) -> None:
    evaluation = evaluate(data, split={})
    assert make_report(evaluation)["sources"] == {}
    photos = [
        replace(result, photo=replace(result.photo, source=result.photo.label))
        for result in evaluation.known.photos
    ]
    sources = make_report(with_photos(evaluation, photos))["sources"]
    shares = {name: figures["top1"] for name, figures in sources.items()}
    assert shares == {"haas": 1.0, "mclaren": 0.75}


def test_what_a_second_look_changes_is_weighed(data: Path, things: Path) -> None:
    report = make_report(evaluate(data, things, split={}, mirror=True))
    assert (
        report["mirrored"]["fixed"],
        report["mirrored"]["broken"],
        report["mirrored"]["p_value"],
    ) == ([], [], 1.0)
    assert set(report["others"]["mirrored"]) == {
        "unclassified",
        "auroc_of_familiarity",
        "auroc_of_confidence",
    }
    assert "ece_before" not in report["mirrored"]
    assert any(line.startswith("Mirrored as well") for line in terminal_lines(report))


# ---- its files ----


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_every_file_is_written_and_can_be_read(data: Path, things: Path, tmp_path: Path) -> None:
    evaluation = evaluate(data, things, split={}, mirror=True)
    make_folder(tmp_path / "out" / "report")
    report = make_report(evaluation)
    folder = tmp_path / "out" / "report"
    names = write_files(folder, evaluation, report)
    assert (
        sorted(path.name for path in folder.iterdir())
        == sorted(names)
        == [
            "confusion.csv",
            "confusion.svg",
            "per_class.csv",
            "predictions.csv",
            "reliability.svg",
            "report.json",
            "report.md",
        ]
    )
    assert json.loads((folder / "report.json").read_text()) == report
    assert (
        "[0, 0, 0, 3, 0, 0, 0, 0, 0, 0]" in (folder / "report.json").read_text()
    )  # a row of the matrix is a line
    for name in ("confusion.svg", "reliability.svg"):
        ElementTree.parse(folder / name)  # noqa: S314
    for link in ("reliability.svg", "confusion.svg"):
        assert f"({link})" in (folder / "report.md").read_text()


def test_predictions_have_a_line_for_each_photo_those_of_other_things_last(
    data: Path, things: Path
) -> None:
    lines = rows(predictions_csv(evaluate(data, things, split={})))
    assert len(lines) == 9
    old = next(line for line in lines if line["file"] == "data/mclaren/old.jpg")
    assert (old["truth"], old["right"], old["decision"], old["label_1"]) == (
        "mclaren",
        "no",
        "ferrari",
        "ferrari",
    )
    assert [(line["truth"], line["right"]) for line in lines[-2:]] == [("other things", "")] * 2
    assert lines[-2]["decision"] == "unclassified"


def test_tables_list_the_weakest_label_first_and_every_count(data: Path) -> None:
    report = make_report(evaluate(data, split={}))
    worst, best = rows(per_class_csv(report))
    assert (worst["label"], worst["recall"], worst["most_taken_for"]) == (
        "mclaren",
        "0.75",
        "ferrari",
    )
    assert (best["label"], best["most_taken_for"]) == ("haas", "")
    table = {row["truth"]: row for row in rows(confusion_csv(report))}
    assert len(table) == 10
    assert (table["mclaren"]["ferrari"], table["mclaren"]["mclaren"], table["haas"]["haas"]) == (
        "1",
        "3",
        "3",
    )


def test_names_of_files_and_labels_are_neither_formulas_nor_markup(data: Path) -> None:
    (data / "haas" / "0.jpg").rename(data / "haas" / "=cmd|x.jpg")
    labels = tuple(
        replace(label, display="=<b>McLaren</b>|x") if label.name == "mclaren" else label
        for label in CARD.labels
    )
    evaluation = evaluate(data, split={})
    evaluation = replace(evaluation, card=replace(evaluation.card, labels=labels))
    report = make_report(evaluation)
    assert rows(per_class_csv(report))[0]["display"].startswith("'=")
    assert "<b>" not in page(report)
    assert "<b>" not in (confusion_csv(report) + predictions_csv(evaluation))


def test_names_that_are_not_utf8_and_labels_in_any_script_are_written(
    data: Path, tmp_path: Path
) -> None:
    (data / "haas" / "0.jpg").rename(data / "haas" / os.fsdecode(b"caf\xe9.jpg"))
    (data / "haas" / "1.jpg").rename(data / "haas" / "Лада 2107.jpg")
    (data / "haas" / os.fsdecode(b"no\xe9.jpg")).write_text("no photo")
    evaluation = evaluate(data, split={})
    make_folder(tmp_path / "out")
    write_files(tmp_path / "out", evaluation, make_report(evaluation))
    written = (tmp_path / "out" / "predictions.csv").read_text(encoding="utf-8")
    assert "data/haas/caf?.jpg" in written
    assert "data/haas/Лада 2107.jpg" in written


def test_making_the_folder_leaves_nothing_in_it(tmp_path: Path) -> None:
    make_folder(tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_that_cannot_be_written_to_is_refused_before_anything_is_measured(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="The report cannot be written to"):
        make_folder(tmp_path / "file" / "out")


def test_with_196_labels_the_words_stay_short_and_the_matrix_is_a_link(data: Path) -> None:
    labels = tuple(
        Label(f"car-{number}", f"Maker{number // 8} Car {number}", parent=f"Maker{number // 8}")
        for number in range(196)
    )
    card = make_card(labels=labels)
    rng = np.random.default_rng(1)
    evaluation = evaluate(data, split={})
    result = evaluation.known.photos[0]
    photos = []
    for number in range(400):
        probabilities = rng.dirichlet(np.full(196, 0.02)).astype(np.float32)
        photo = replace(result.photo, label=f"car-{number % 190}")
        output = replace(result.answer.output, probabilities=probabilities)
        answer = replace(result.answer, output=output, decision="unclassified")
        photos.append(replace(result, photo=photo, answer=answer))
    report = make_report(with_photos(replace(evaluation, card=card), photos))
    words = terminal_lines(report)
    assert len(words) < 60
    assert max(map(len, words)) < 150
    assert "Not measured, for want of a photo: 6 of its 196 teams." in words
    assert "![Confusion matrix]" not in page(report)
