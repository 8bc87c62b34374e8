"""Short trainings with other settings, judged on validation photos; the best become a recipe."""

import hashlib
import json
import math
import warnings
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import keras
import optuna
import tensorflow as tf
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from webapp.errors import TrainingError
from webapp.training.dataset import Parts, fingerprint
from webapp.training.job import TrainingJob, TrainingProgress, say
from webapp.training.recipe import Augmentation, Recipe
from webapp.training.run import Run
from webapp.training.train import prepare

_DONE = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True)
class Search:
    """A training job whose recipe is where the search starts, and the study that keeps trials."""

    job: TrainingJob[Recipe]
    trials: int  # finished trials of the study in the end, with those of other processes
    study: str  # the study's name
    storage: str  # SQLAlchemy's URL of the database that keeps it
    epochs: int | None = None  # of one trial, shared among its stages; None: those of the recipe


@dataclass(frozen=True)
class SearchResult:
    """The best trial so far, and the recipe with its settings, of full length."""

    recipe: Recipe
    best: FrozenTrial  # its value is the loss on the validation photos
    own_loss: float | None  # of the recipe as it was, None when that trial is not there
    counts: Counter[TrialState]  # trials by how they ended

    @property
    def trials(self) -> int:
        """Finished trials, those included that were stopped early."""
        return sum(self.counts[state] for state in _DONE)


def search(wanted: Search) -> SearchResult:
    """Run trials until the study holds as many as wanted; the first has the recipe's own settings.

    The test photos are left alone; other processes may share the study. Raises `TrainingError` if
    something cannot be used or no trial ended.
    """
    data = prepare(wanted.job)
    recipe, parts = data.recipe, {part: data.parts[part] for part in ("train", "validation")}
    try:
        study = _open_study(wanted, recipe, fingerprint(data.parts))
        left = wanted.trials - len(study.get_trials(deepcopy=False, states=_DONE))
        if left > 0:
            enough = optuna.study.MaxTrialsCallback(wanted.trials, states=_DONE)
            study.optimize(
                lambda trial: _run_trial(wanted, recipe, parts, study, trial),
                n_trials=left,
                catch=(tf.errors.ResourceExhaustedError,),
                callbacks=[_say_trial, enough],
            )
        return _best_of(study, replace(recipe, labels=wanted.job.recipe.labels))
    except (optuna.exceptions.StorageInternalError, SQLAlchemyError, ImportError) as error:
        reason = str(error).splitlines()[0]
        raise TrainingError(f"The database of the study cannot be used: {reason}") from error


def _open_study(wanted: Search, recipe: Recipe, photos: str) -> optuna.Study:
    """The study, new or resumed. Raises `TrainingError` if its trials are of something else."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # `_say_trial` writes a line per trial
    wait = {"connect_args": {"timeout": 60}} if wanted.storage.startswith("sqlite") else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # for heartbeats
        # a trial that is silent for three minutes no longer counts as running
        storage = optuna.storages.RDBStorage(
            wanted.storage, engine_kwargs=wait, heartbeat_interval=60, grace_period=180
        )
    study = optuna.create_study(
        storage=storage,
        study_name=wanted.study,
        direction="minimize",
        # the last layer alone, which is the first epoch, stops no trial
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=1),
        load_if_exists=True,
    )
    about = [recipe.settings(), str(wanted.job.weights), wanted.epochs, photos]
    subject = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
    if study.user_attrs.get("subject", subject) != subject:
        raise TrainingError(
            f"The study {wanted.study} holds trials of other photos, another recipe, other weights "
            "or --epochs. Name another --study."
        )
    if not study.user_attrs:
        study.set_user_attr("subject", subject)
        study.enqueue_trial(own_settings(recipe), skip_if_exists=True)
    return study


def _run_trial(
    wanted: Search, recipe: Recipe, parts: Parts, study: optuna.Study, trial: Trial
) -> float:
    """The best loss of a short training, pruned when worse than half of the others were."""
    # a seed of each trial's own: processes that share a study would all try the same settings
    study.sampler = optuna.samplers.TPESampler(seed=recipe.seed + trial.number)
    candidate = shortened(applied(recipe, _suggest(trial, recipe)), wanted.epochs)

    def judge(progress: TrainingProgress) -> None:
        trial.report(progress.history[-1]["validation_loss"], len(progress.history) - 1)
        if trial.should_prune():
            raise optuna.TrialPruned

    keras.backend.clear_session()  # the networks of the last trial
    run = Run(replace(wanted.job, on_epoch=(judge,)), replace(candidate, refit=False), parts, None)
    run.train()
    return run.progress.best_loss


def _say_trial(_study: optuna.Study, trial: FrozenTrial) -> None:
    ends = {TrialState.PRUNED: "stopped early: worse than half of the others"}
    end = ends.get(trial.state, "failed")
    if trial.state == TrialState.COMPLETE:
        end = f"validation loss {trial.value:.4f}"
    settings = ", ".join(f"{name} {value:.3g}" for name, value in trial.params.items())
    say(f"trial {trial.number}: {end} ({settings})")


def _best_of(study: optuna.Study, recipe: Recipe) -> SearchResult:
    """The best of the study's trials. Raises `TrainingError` if none has come to its end."""
    trials = study.get_trials(deepcopy=False)
    counts = Counter(trial.state for trial in trials)
    if not counts[TrialState.COMPLETE]:
        raise TrainingError(
            f"No trial of the study {study.study_name} came to its end "
            f"({counts[TrialState.FAIL]} failed)."
        )
    own = own_settings(recipe)
    complete = (trial for trial in trials if trial.state == TrialState.COMPLETE)
    own_loss = next((trial.value for trial in complete if trial.params == own), None)
    best = study.best_trial
    return SearchResult(applied(recipe, best.params), best, own_loss, counts)


# ---- settings ----


def result_lines(result: SearchResult, study: str) -> list[str]:
    """The result of a search for people, line by line."""
    own = ""
    if result.own_loss is not None:
        own = f"; the recipe's own settings had {result.own_loss:.4f}"
    lines = [
        f"Study {study}: {result.trials} trials, {result.counts[TrialState.PRUNED]} of them "
        f"stopped early, {result.counts[TrialState.FAIL]} failed.",
        f"Best is trial {result.best.number} with a validation loss of {result.best.value:.4f}"
        f"{own}.",
        "The best of many is flattered by luck: what it is worth, the test photos of a training "
        "with it will tell.",
        "",
    ]
    settings = own_settings(result.recipe) | {
        "rate": ", ".join(str(stage.rate) for stage in result.recipe.stages),
        "strength": round(result.best.params["strength"], 2),
    }
    return lines + [f"{name:<12}{value}" for name, value in settings.items()]


def own_settings(recipe: Recipe) -> dict[str, Any]:
    """The settings that leave the recipe as it is, see `applied`."""
    return {
        "head_rate": recipe.head_rate,
        "rate": 1.0,
        "depth": recipe.stages[-1].unfreeze,
        "strength": 1.0,
        "batch": recipe.batch,
        "dropout": recipe.dropout,
        "smoothing": recipe.smoothing,
    }


def _suggest(trial: Trial, recipe: Recipe) -> dict[str, Any]:
    """Settings to try next, in ranges around the recipe's own."""
    number, head_rate = trial.suggest_float, recipe.head_rate
    batches = sorted({max(2, recipe.batch // 2), recipe.batch, recipe.batch * 2})
    return {
        "head_rate": number("head_rate", head_rate / 5, head_rate * 5, log=True),
        "rate": number("rate", 0.2, 5.0, log=True),
        "depth": number("depth", min(0.2, recipe.stages[-1].unfreeze), 1.0),
        "strength": number("strength", 0.0, 2.0),
        "batch": trial.suggest_categorical("batch", batches),
        "dropout": number("dropout", 0.0, max(0.5, recipe.dropout)),
        "smoothing": number("smoothing", 0.0, max(0.2, recipe.smoothing)),
    }


def applied(recipe: Recipe, settings: dict[str, Any]) -> Recipe:
    """The recipe with these settings.

    `rate` multiplies the rate of each stage; `depth` is the share of layers that learn in the last
    stage, and at most in the others; `strength` is that of the augmentation, see `strengthened`.
    """
    last, depth = len(recipe.stages) - 1, max(0.01, round(settings["depth"], 2))
    stages = tuple(
        replace(
            stage,
            rate=float(f"{stage.rate * settings['rate']:.3g}"),
            unfreeze=depth if place == last else min(stage.unfreeze, depth),
        )
        for place, stage in enumerate(recipe.stages)
    )
    return replace(
        recipe,
        stages=stages,
        head_rate=float(f"{settings['head_rate']:.3g}"),
        batch=settings["batch"],
        dropout=round(settings["dropout"], 3),
        smoothing=round(settings["smoothing"], 3),
        augmentation=strengthened(recipe.augmentation, settings["strength"]),
    )


def strengthened(how: Augmentation, strength: float) -> Augmentation:
    """Augmentation that changes photos `strength` times as much; mirroring has no strength."""
    most = {"brightness": 0.8, "contrast": 0.8, "saturation": 1.0, "hue": 0.5, "grain": math.inf}
    most |= {"erase": 1.0, "rand_strength": 1.0, "mixup": 0.5, "cutmix": 0.5}
    changes = {
        name: min(max(limit, getattr(how, name)), getattr(how, name) * strength)
        for name, limit in most.items()
    }
    changes |= {"zoom": max(0.1, 1 - (1 - how.zoom) * strength), "aspect": how.aspect**strength}
    return replace(how, **{name: round(amount, 3) for name, amount in changes.items()})


def shortened(recipe: Recipe, epochs: int | None) -> Recipe:
    """The recipe with `epochs` in all, shared out as its stages share theirs, one each at least."""
    whole = sum(stage.epochs for stage in recipe.stages)
    if epochs is None or epochs >= whole:
        return recipe
    stages = (
        replace(stage, epochs=max(1, round(stage.epochs * epochs / whole)))
        for stage in recipe.stages
    )
    return replace(recipe, stages=tuple(stages))
