"""The job that compares two versions of a detector on the photos of this history, and promotion by
what it found."""

from collections.abc import Iterator, Sequence

from webapp.errors import BadRequestError
from webapp.inference.models.detector_gate import DetectorComparison, TruePhoto
from webapp.inference.models.registry import Registry
from webapp.services.jobs import queue
from webapp.services.jobs.job_type import JobType, Json, RunningJob
from webapp.services.jobs.queue import Job, JobView, Sender
from webapp.services.models.compare import promote_on_history
from webapp.services.models.compare_detectors import compare_on_history, promote_detector
from webapp.services.models.promotion import Decision, Load
from webapp.storage.tables import Promotion


def enqueue(registry: Registry, name: str, champion: int, challenger: int, sender: Sender) -> Job:
    """Compare two versions of the detector `name`. Raises `BadRequestError` for twice the same
    version, `ModelNotFoundError`, `BadCardError`, or what `queue.enqueue` raises."""
    if champion == challenger:
        raise BadRequestError(
            "A comparison needs two versions: a champion and another one, the challenger."
        )
    for number in (champion, challenger):
        registry.detector_card(name, number)
    params = {"model": name, "champion": champion, "challenger": challenger}
    return queue.enqueue(JOB_TYPE, params, f"{name} {champion} against {challenger}", sender)


def last(name: str, champion: int, challenger: int) -> JobView | None:
    """The newest comparison of these two versions; None when there was none in a while."""
    return queue.latest(JOB_TYPE, model=name, champion=champion, challenger=challenger)


def last_comparison(name: str, champion: int, challenger: int) -> DetectorComparison | None:
    """What the newest comparison found that is through, also while another one runs; None when
    there was none in a while."""
    params = {"model": name, "champion": champion, "challenger": challenger}
    view = queue.latest(JOB_TYPE, succeeded=True, **params)
    result = view.job.result if view else None
    return DetectorComparison.from_json(result["comparison"]) if result else None


def promote(
    registry: Registry, name: str, version: int, load: Load, decision: Decision
) -> Promotion:
    """Let a version of a classifier or a detector serve, judged on the photos of this history: of a
    detector by its last comparison with the live version. Raises `PromotionRefusedError` and what
    `load` raises."""
    if not registry.is_detector(name):
        return promote_on_history(registry, name, version, load, decision)
    live = registry.live_version(name)
    comparison = last_comparison(name, live, version) if live is not None else None
    challenger = load(name, version)
    return promote_detector(registry, challenger, load, decision, comparison)


def _do(job: RunningJob) -> Json:
    """Let both versions look at the photos. May run twice: it changes nothing."""
    tools, params = job.tools, job.params

    def watch(photos: Sequence[TruePhoto]) -> Iterator[TruePhoto]:
        for done, photo in enumerate(photos):
            job.progress(done, len(photos))
            yield photo

    first, second = (
        tools.detector_version(params["model"], params[name]) for name in ("champion", "challenger")
    )
    result = compare_on_history(
        (first, second), tools.registry, tools.files, any_photo=True, watch=watch
    )
    for sentence in result.left_out:
        job.say(sentence)
    return params | {"comparison": result.comparison.to_json()}


def _summary(result: Json) -> str:
    return " ".join(result["comparison"]["reasons"][:2])


JOB_TYPE = JobType("compare-detectors", "Comparison of detectors", _do, summary=_summary)
