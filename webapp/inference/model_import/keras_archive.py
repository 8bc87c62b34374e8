"""Checks a .keras archive without Keras and without running anything: its layers and members."""

import json
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from webapp.errors import ModelRefusedError
from webapp.inference.models.bundle import check_member

CONFIG_BYTES = 20 * 1024 * 1024
_UNPACKED_BYTES = 2 * 1024**3
_MAX_UNITS = 200_000  # the weights of a layer with more units or filters would fill the memory
_VALUE_NAMES = """
__keras_tensor__ __tensor__ __numpy__ __tuple__ __ellipsis__ __slice__ slice
"""
_CODE_NAMES = """
Lambda TFSMLayer JaxLayer FlaxLayer TorchModuleWrapper function
"""
# the layers that may be used
_LAYER_NAMES = """
Activation ActivityRegularization AdaptiveAveragePooling2D AdaptiveMaxPooling2D Add
AdditiveAttention AlphaDropout Attention Average AveragePooling1D AveragePooling2D AvgPool2D
BatchNormalization CenterCrop Concatenate Conv1D Conv2D Conv2DTranspose Convolution2D Cropping2D
Dense DepthwiseConv2D Dot Dropout ELU EinsumDense Flatten GaussianDropout GaussianNoise
GlobalAveragePooling1D GlobalAveragePooling2D GlobalAvgPool2D GlobalMaxPool2D GlobalMaxPooling1D
GlobalMaxPooling2D GroupNormalization Identity InputLayer LayerNormalization LayerScale LeakyReLU
MaxPool2D MaxPooling1D MaxPooling2D Maximum Minimum MultiHeadAttention Multiply Normalization PReLU
Permute RMSNormalization RandAugment RandomBrightness RandomContrast RandomCrop RandomErasing
RandomFlip RandomHue RandomRotation RandomSaturation RandomShear RandomTranslation RandomZoom ReLU
RepeatVector Rescaling Reshape Resizing SeparableConv2D Softmax SpatialDropout2D
SpectralNormalization Subtract ThresholdedReLU UnitNormalization UpSampling2D ZeroPadding1D
ZeroPadding2D
"""
# what layers are made of: models, number types, initializers, constraints, regularizers, arithmetic
_PART_NAMES = """
Functional Model Sequential DTypePolicy Policy TensorShape TFOpLambda
Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity IdentityInitializer LecunNormal
LecunUniform Ones Orthogonal OrthogonalInitializer RandomNormal RandomUniform TruncatedNormal
VarianceScaling Zeros
MaxNorm MinMaxNorm NonNeg UnitNorm L1 L2 L1L2 OrthogonalRegularizer
Cast Divide TrueDivide Negative GetItem Stack Split Flip Power Sqrt Square Mean Squeeze ExpandDims
Transpose Clip Relu Relu6 Sigmoid Silu HardSigmoid HardSilu Gelu
"""
_VALUES = frozenset(_VALUE_NAMES.split())
_CODE = frozenset(_CODE_NAMES.split())
_ALLOWED = frozenset((_LAYER_NAMES + _PART_NAMES).split())


@contextmanager
def open_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """A .keras archive to read in the block. Raises `ModelRefusedError` where it is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except zipfile.BadZipFile as error:
        raise ModelRefusedError(
            f"This is not a whole .keras file, it was cut off or damaged: {error}."
        ) from error
    except (OSError, zlib.error, ValueError, EOFError, RuntimeError) as error:
        raise ModelRefusedError(f"This is not a whole .keras file: {error}") from error


def check_archive(path: Path, mend: Callable[[dict[str, Any]], bool] | None = None) -> None:
    """Raise `ModelRefusedError` when a .keras file is damaged or names layers not on the list.
    `mend` may change its description first; the file then has what `mend` left."""
    with open_archive(path) as archive:
        for member in archive.infolist():
            check_member(member)
        sizes = {member.filename: member.file_size for member in archive.infolist()}
        if "config.json" not in sizes:
            raise ModelRefusedError("This is not a whole .keras file: config.json is missing.")
        if sum(sizes.values()) > _UNPACKED_BYTES or sizes["config.json"] > CONFIG_BYTES:
            raise ModelRefusedError(
                "The Keras file is a zip bomb: it unpacks to far more than a network needs."
            )
        config = json.loads(archive.read("config.json"))
    if not isinstance(config, dict):
        raise ModelRefusedError(
            "This is not a whole .keras file: its config.json describes no network."
        )
    config.pop("compile_config", None)  # it is loaded without compiling
    changed = mend is not None and mend(config)
    check_config(config)
    if changed:
        _replace_config(path, config)


def _replace_config(path: Path, config: dict[str, Any]) -> None:
    mended = path.with_name(".mended.keras")
    with open_archive(path) as archive, zipfile.ZipFile(mended, "w") as copy:
        for member in archive.infolist():
            if member.filename == "config.json":
                copy.writestr(member.filename, json.dumps(config))
                continue
            with archive.open(member) as source, copy.open(member.filename, "w") as target:
                shutil.copyfileobj(source, target)
    mended.replace(path)


def check_config(config: Any) -> None:
    """Raise `ModelRefusedError` that names a layer of the network that is not on the list."""
    for entry in dictionaries(config):
        if "class_name" in entry:
            _check_object(entry)
        for key in ("units", "filters", "input_dim", "output_dim", "depth_multiplier"):
            if isinstance(entry.get(key), int | float) and entry[key] > _MAX_UNITS:
                raise ModelRefusedError(
                    f"The layer {str(entry.get('name'))[:100]!r} asks for {entry[key]:,} {key}, "
                    "more than memory holds."
                )


def _check_object(entry: dict[str, Any]) -> None:
    kind, module, inside = entry["class_name"], entry.get("module"), entry.get("config")
    if not isinstance(kind, str):
        raise ModelRefusedError("The model has a layer whose kind is not a name.")
    of_keras = module is None or str(module).split(".")[0] == "keras"
    registered = entry.get("registered_name") in (None, kind, f"keras>{kind}")
    if kind in _VALUES or (of_keras and kind in _ALLOWED and registered):
        return
    if of_keras and "Quant" in kind:
        raise ModelRefusedError(
            "The network was quantized; Keras' quantized layers do not compile. "
            "Import it as it was before quantize()."
        )
    name = inside.get("name") if isinstance(inside, dict) else inside
    layer = f"The layer {str(name)[:100]!r} is of the kind {kind[:100]!r}"
    if kind in _CODE or not of_keras:
        where = f" from {str(module)[:60]!r}" if module and not of_keras else ""
        raise ModelRefusedError(
            f"{layer}{where}, which carries code of its own. Only Keras' own layers may."
        )
    raise ModelRefusedError(
        f"{layer}, which is not on the list of layers that may be used: "
        "it is custom code, or reads files."
    )


def dictionaries(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a JSON value, however deep."""
    waiting = [value]
    while waiting:
        entry = waiting.pop()
        if isinstance(entry, dict):
            yield entry
            waiting += entry.values()
        elif isinstance(entry, list):
            waiting += entry
