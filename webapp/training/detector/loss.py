"""What the detector's network learns from: which cell answers for which car, and how well."""

import keras
import tensorflow as tf

from webapp.inference.detector import make_grid
from webapp.training.detector.scenes import CAR, IGNORED

_CELLS = 9  # that answer for a car
_POWER = 6.0  # of the overlap in the alignment, beside the square root of the score
_BOX_WEIGHT = 5.0
_NEAR = 0.75  # strides from the middle of a car that a cell may be even if it lies outside


class DetectionLoss:
    """The loss of a network of `build_detector` for pictures of `size`.

    Each car takes the cells inside it whose answers fit best by score and overlap; their target
    score is the overlap, so that the best box has the best score (task-aligned assignment, Feng et
    al. 2021, "TOOD"). Boxes learn by generalised IoU (Rezatofighi et al. 2019).
    """

    def __init__(self, size: tuple[int, int]) -> None:
        centres, strides = make_grid(size)
        self._centres, self._strides = tf.constant(centres), tf.constant(strides)

    def __call__(
        self, outputs: dict[str, tf.Tensor], boxes: tf.Tensor, kinds: tf.Tensor
    ) -> tf.Tensor:
        """The mean loss of a batch with `boxes` (batch, boxes, 4) and `kinds` (batch, boxes)."""
        scores, predicted = outputs["scores"], self._decode(outputs["distances"])
        target, share, ignored = self._assign(scores, predicted, boxes, kinds)
        total = tf.maximum(tf.reduce_sum(target), 1.0)
        entropy = keras.ops.binary_crossentropy(target, tf.clip_by_value(scores, 1e-6, 1 - 1e-6))
        wrong = tf.reduce_sum(entropy * (1.0 - ignored)) / total
        wanted = tf.gather(boxes, share, batch_dims=1)
        misplaced = tf.reduce_sum((1.0 - _generalised(predicted, wanted)) * target) / total
        return wrong + _BOX_WEIGHT * misplaced

    def _decode(self, distances: tf.Tensor) -> tf.Tensor:
        reach = tf.exp(tf.clip_by_value(distances, -4.0, 4.0)) * tf.tile(self._strides, [1, 2])
        low, high = self._centres - reach[..., :2], self._centres + reach[..., 2:]
        return tf.concat([low, high], axis=-1)

    def _assign(
        self, scores: tf.Tensor, predicted: tf.Tensor, boxes: tf.Tensor, kinds: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """For each cell (batch, cells): target score, which box it answers for, 1 if ignored."""
        middle, half = (boxes[..., :2] + boxes[..., 2:]) / 2, (boxes[..., 2:] - boxes[..., :2]) / 2
        away = tf.abs(self._centres - middle[:, :, tf.newaxis])  # (batch, boxes, cells, 2)
        inside = tf.reduce_all(away < half[:, :, tf.newaxis], axis=-1)
        near = tf.reduce_all(away < _NEAR * self._strides, axis=-1)
        is_car = tf.cast(kinds == CAR, tf.float32)[:, :, tf.newaxis]
        overlap = _overlap(predicted[:, tf.newaxis], boxes[:, :, tf.newaxis])
        may = tf.cast(inside | near, tf.float32) * is_car
        align = tf.sqrt(scores)[:, tf.newaxis] * overlap**_POWER * may + 1e-9 * may
        least = tf.math.top_k(align, _CELLS).values[..., -1:]
        chosen = tf.cast(align >= tf.maximum(least, 1e-12), tf.float32)
        # a cell that several cars want answers for the one that it fits best
        best = tf.argmax(chosen * (overlap + 1e-6), axis=1, output_type=tf.int32)
        chosen *= tf.transpose(tf.one_hot(best, tf.shape(boxes)[1]), [0, 2, 1])
        align *= chosen
        highest = tf.reduce_max(align, axis=-1, keepdims=True)
        reached = tf.reduce_max(overlap * chosen, axis=-1, keepdims=True)
        target = tf.reduce_max(align / tf.maximum(highest, 1e-12) * reached, axis=1)
        hidden = tf.cast(kinds == IGNORED, tf.float32)[:, :, tf.newaxis]
        ignored = tf.reduce_max(tf.cast(inside, tf.float32) * hidden, axis=1)
        ignored *= 1.0 - tf.reduce_max(chosen, axis=1)
        return tf.stop_gradient(target), best, tf.stop_gradient(ignored)


def _shared(boxes: tf.Tensor, others: tf.Tensor) -> tf.Tensor:
    low = tf.maximum(boxes[..., :2], others[..., :2])
    high = tf.minimum(boxes[..., 2:], others[..., 2:])
    return tf.reduce_prod(tf.maximum(high - low, 0.0), axis=-1)


def _area(boxes: tf.Tensor) -> tf.Tensor:
    return tf.reduce_prod(tf.maximum(boxes[..., 2:] - boxes[..., :2], 0.0), axis=-1)


def _overlap(boxes: tf.Tensor, others: tf.Tensor) -> tf.Tensor:
    shared = _shared(boxes, others)
    return shared / tf.maximum(_area(boxes) + _area(others) - shared, 1e-9)


def _generalised(boxes: tf.Tensor, others: tf.Tensor) -> tf.Tensor:
    """Intersection over union, less the share of the hull that neither box fills; -1..1."""
    low = tf.minimum(boxes[..., :2], others[..., :2])
    high = tf.maximum(boxes[..., 2:], others[..., 2:])
    hull = tf.maximum(tf.reduce_prod(high - low, axis=-1), 1e-9)
    shared = _shared(boxes, others)
    union = tf.maximum(_area(boxes) + _area(others) - shared, 1e-9)
    return shared / union - (hull - union) / hull
