"""Search: short trainings with other settings, judged on the validation photos; the best settings become a recipe."""

import hashlib
import json
import math
import warnings
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import keras
import optuna
import sqlalchemy.exc
import tensorflow as tf
from optuna.trial import FrozenTrial, Trial, TrialState

from webapp.errors import TrainingError
from webapp.training.checkpoint import Progress
from webapp.training.dataset import Example, fingerprint
from webapp.training.job import Job, say
from webapp.training.recipe import Augmentation, Recipe
from webapp.training.run import Run
from webapp.training.train import prepare

DONE = (TrialState.COMPLETE, TrialState.PRUNED)
HEARTBEAT = (
    60  # seconds; a trial silent for three of them was cut off, and no longer counts as running
)
SQLITE_WAIT = 60  # seconds that one process waits for another one's write


@dataclass(frozen=True)
class Search:
    """What to search: a training job whose recipe is where it starts, and the study that keeps the trials."""

    job: Job
    trials: int  # finished trials that the study shall hold, those of other processes and earlier calls included
    study: str  # the study's name
    storage: str  # SQLAlchemy's URL of the database that keeps it
    epochs: int | None = (
        None  # of one trial, shared out among its stages; None: as many as the recipe says
    )


@dataclass(frozen=True)
class Found:
    """What a study has found so far. `settings` are those searched, as they stand in `recipe`, which is of full length."""

    recipe: Recipe
    settings: dict[str, Any]
    trial: int
    loss: float  # on the validation photos
    own_loss: float | None  # of the recipe as it was, None when that trial is not there
    trials: int
    pruned: int
    failed: int


def search(wanted: Search) -> Found:
    """Run trials until the study holds as many as wanted, then say which was best. The test photos are left alone.

    Other processes and machines may work on the same study at the same time. The first trial has the recipe's own settings.
    Raises `TrainingError` when data, recipe, weights or the study's database cannot be used, or when no trial came to an end.
    """
    recipe, _, parts = prepare(wanted.job)
    seen = {part: parts[part] for part in ("train", "validation")}
    try:
        study = open_study(wanted, recipe, fingerprint(parts))
        left = wanted.trials - len(study.get_trials(deepcopy=False, states=DONE))
        if left > 0:
            enough = optuna.study.MaxTrialsCallback(wanted.trials, states=DONE)
            study.optimize(
                lambda trial: try_out(wanted, recipe, seen, study, trial),
                n_trials=left,
                catch=(tf.errors.ResourceExhaustedError,),
                callbacks=[_say_trial, enough],
            )
        return best_of(study, replace(recipe, labels=wanted.job.recipe.labels))
    except (
        optuna.exceptions.StorageInternalError,
        sqlalchemy.exc.SQLAlchemyError,
        ImportError,
    ) as error:
        raise TrainingError(
            f"The database of the study cannot be used: {str(error).splitlines()[0]}"
        ) from error


def open_study(wanted: Search, recipe: Recipe, photos: str) -> optuna.Study:
    """The study, made when it is not there. Raises `TrainingError` when its trials are of other photos, settings, weights or length."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # each trial gets a line of ours
    waiting = (
        {"connect_args": {"timeout": SQLITE_WAIT}} if wanted.storage.startswith("sqlite") else {}
    )
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", optuna.exceptions.ExperimentalWarning
        )  # heartbeats are called that
        storage = optuna.storages.RDBStorage(
            wanted.storage,
            engine_kwargs=waiting,
            heartbeat_interval=HEARTBEAT,
            grace_period=3 * HEARTBEAT,
        )
    study = optuna.create_study(
        storage=storage,
        study_name=wanted.study,
        direction="minimize",
        pruner=optuna.pruners.MedianPruner(
            n_startup_trials=4, n_warmup_steps=1
        ),  # the last layer alone condemns nobody
        load_if_exists=True,
    )
    text = json.dumps(
        [recipe.settings(), str(wanted.job.weights), wanted.epochs, photos], sort_keys=True
    )
    subject = hashlib.sha256(text.encode()).hexdigest()
    if study.user_attrs.get("subject", subject) != subject:
        raise TrainingError(
            f"The study {wanted.study} holds trials of other photos, another recipe, other weights or --epochs. Name another --study."
        )
    if not study.user_attrs:
        study.set_user_attr("subject", subject)
        study.enqueue_trial(own_settings(recipe), skip_if_exists=True)
    return study


def try_out(
    wanted: Search,
    recipe: Recipe,
    parts: dict[str, list[Example]],
    study: optuna.Study,
    trial: Trial,
) -> float:
    """One trial: a short training, pruned when it is worse than half of the others were after as many epochs. The best validation loss."""
    # a seed of each trial's own: processes that share a study would otherwise all throw the same dice
    study.sampler = optuna.samplers.TPESampler(seed=recipe.seed + trial.number)
    candidate = shortened(applied(recipe, suggest(trial, recipe)), wanted.epochs)

    def judge(progress: Progress) -> None:
        trial.report(progress.history[-1]["validation_loss"], len(progress.history) - 1)
        if trial.should_prune():
            raise optuna.TrialPruned

    keras.backend.clear_session()  # the networks of the last trial
    run = Run(replace(wanted.job, after_epoch=judge), replace(candidate, refit=False), parts, None)
    run.train()
    return run.progress.best_loss


def own_settings(recipe: Recipe) -> dict[str, Any]:
    """The settings, as `suggest` names them, that leave the recipe as it is."""
    return {
        "head_rate": recipe.head_rate,
        "rate": 1.0,
        "depth": recipe.stages[-1].unfreeze,
        "strength": 1.0,
        "batch": recipe.batch,
        "dropout": recipe.dropout,
        "smoothing": recipe.smoothing,
    }


def suggest(trial: Trial, recipe: Recipe) -> dict[str, Any]:
    """Settings to try next. The ranges lie around the recipe's own settings."""
    batches = sorted({max(2, recipe.batch // 2), recipe.batch, recipe.batch * 2})
    return {
        "head_rate": trial.suggest_float(
            "head_rate", recipe.head_rate / 5, recipe.head_rate * 5, log=True
        ),
        "rate": trial.suggest_float("rate", 0.2, 5.0, log=True),
        "depth": trial.suggest_float("depth", min(0.2, recipe.stages[-1].unfreeze), 1.0),
        "strength": trial.suggest_float("strength", 0.0, 2.0),
        "batch": trial.suggest_categorical("batch", batches),
        "dropout": trial.suggest_float("dropout", 0.0, max(0.5, recipe.dropout)),
        "smoothing": trial.suggest_float("smoothing", 0.0, max(0.2, recipe.smoothing)),
    }


def applied(recipe: Recipe, settings: dict[str, Any]) -> Recipe:
    """The recipe with these settings. `rate` multiplies the rate of each stage; `depth` is how far down the last stage learns, and the
    others learn no deeper than that; `strength` is that of the augmentation, see `strengthened`."""
    last, depth = len(recipe.stages) - 1, max(0.01, round(settings["depth"], 2))
    stages = tuple(
        replace(
            stage,
            rate=_short(stage.rate * settings["rate"]),
            unfreeze=depth if place == last else min(stage.unfreeze, depth),
        )
        for place, stage in enumerate(recipe.stages)
    )
    return replace(
        recipe,
        stages=stages,
        head_rate=_short(settings["head_rate"]),
        batch=settings["batch"],
        dropout=round(settings["dropout"], 3),
        smoothing=round(settings["smoothing"], 3),
        augmentation=strengthened(recipe.augmentation, settings["strength"]),
    )


def strengthened(how: Augmentation, strength: float) -> Augmentation:
    """Augmentation that changes photos `strength` times as much; chances end at 1. Mirroring stays: it is right or wrong, not strong."""

    def times(amount: float, most: float = 1.0) -> float:
        return round(min(max(most, amount), amount * strength), 3)

    return replace(
        how,
        zoom=round(max(0.1, 1 - (1 - how.zoom) * strength), 3),
        aspect=round(how.aspect**strength, 3),
        brightness=times(how.brightness, 0.8),
        contrast=times(how.contrast, 0.8),
        saturation=times(how.saturation),
        hue=times(how.hue, 0.5),
        grain=times(how.grain, math.inf),
        erase=times(how.erase),
        rand_strength=times(how.rand_strength),
        mixup=times(how.mixup, 0.5),
        cutmix=times(how.cutmix, 0.5),
    )


def shortened(recipe: Recipe, epochs: int | None) -> Recipe:
    """The recipe with `epochs` epochs in all, shared out as its stages share theirs; each stage keeps one at least."""
    whole = sum(stage.epochs for stage in recipe.stages)
    if epochs is None or epochs >= whole:
        return recipe
    return replace(
        recipe,
        stages=tuple(
            replace(stage, epochs=max(1, round(stage.epochs * epochs / whole)))
            for stage in recipe.stages
        ),
    )


def best_of(study: optuna.Study, recipe: Recipe) -> Found:
    """What the study has found so far, for this recipe. Raises `TrainingError` when no trial has come to its end."""
    counts = Counter(trial.state for trial in study.get_trials(deepcopy=False))
    if not counts[TrialState.COMPLETE]:
        raise TrainingError(
            f"No trial of the study {study.study_name} came to its end ({counts[TrialState.FAIL]} failed)."
        )
    best, own = study.best_trial, own_settings(recipe)
    losses = [
        trial.value
        for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if trial.params == own
    ]
    found = applied(recipe, best.params)
    return Found(
        recipe=found,
        settings=own_settings(found)
        | {
            "rate": [stage.rate for stage in found.stages],
            "strength": round(best.params["strength"], 2),
        },
        trial=best.number,
        loss=study.best_value,
        own_loss=losses[0] if losses else None,
        trials=sum(counts[state] for state in DONE),
        pruned=counts[TrialState.PRUNED],
        failed=counts[TrialState.FAIL],
    )


def _short(rate: float) -> float:
    """Three figures of a rate: more mean nothing."""
    return float(f"{rate:.3g}")


def _say_trial(_study: optuna.Study, trial: FrozenTrial) -> None:
    ends = {
        TrialState.PRUNED: "stopped early: worse than half of the others",
        TrialState.FAIL: "failed",
    }
    end = (
        f"validation loss {trial.value:.4f}"
        if trial.state == TrialState.COMPLETE and trial.value is not None
        else ends[trial.state]
    )
    settings = ", ".join(f"{name} {value:.3g}" for name, value in trial.params.items())
    say(f"trial {trial.number}: {end} ({settings})")
