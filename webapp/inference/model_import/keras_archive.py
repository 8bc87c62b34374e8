"""What a Keras file asks for, read without Keras and without running anything: the layers it names, the members it has."""

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

from webapp.errors import ModelRefusedError
from webapp.inference.models.bundle import check_member

CONFIG_BYTES = 20 * 1024 * 1024
UNPACKED_BYTES = 2 * 1024**3
MOST_UNITS = 200_000
"""A layer with more units or filters is a bomb: its weights alone would fill the memory."""
PLAIN = frozenset(
    {"__keras_tensor__", "__tensor__", "__numpy__", "__tuple__", "__ellipsis__", "slice"}
)  # values, not layers
CODE = frozenset(
    {
        "Lambda",
        "TFSMLayer",
        "JaxLayer",
        "FlaxLayer",
        "TorchModuleWrapper",
        "TFOpLambda",
        "SlicingOpLambda",
        "function",
    }
)
_LAYER_NAMES = """
Activation ActivityRegularization AdaptiveAveragePooling2D AdaptiveMaxPooling2D Add AdditiveAttention AlphaDropout Attention Average
AveragePooling1D AveragePooling2D AvgPool2D BatchNormalization CenterCrop Concatenate Conv1D Conv2D Conv2DTranspose Convolution2D Cropping2D
Dense DepthwiseConv2D Dot Dropout ELU EinsumDense Flatten GaussianDropout GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D
GlobalAvgPool2D GlobalMaxPool2D GlobalMaxPooling1D GlobalMaxPooling2D GroupNormalization Identity InputLayer LayerNormalization LayerScale
LeakyReLU MaxPool2D MaxPooling1D MaxPooling2D Maximum Minimum MultiHeadAttention Multiply Normalization PReLU Permute RMSNormalization
RandAugment RandomBrightness RandomContrast RandomCrop RandomErasing RandomFlip RandomHue RandomRotation RandomSaturation RandomShear
RandomTranslation RandomZoom ReLU RepeatVector Rescaling Reshape Resizing SeparableConv2D Softmax SpatialDropout2D SpectralNormalization
Subtract ThresholdedReLU UnitNormalization UpSampling2D ZeroPadding1D ZeroPadding2D
"""
LAYERS = frozenset(_LAYER_NAMES.split())
_PART_NAMES = """
Functional Model Sequential DTypePolicy Policy TensorShape
Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity IdentityInitializer LecunNormal LecunUniform Ones Orthogonal
OrthogonalInitializer RandomNormal RandomUniform TruncatedNormal VarianceScaling Zeros
MaxNorm MinMaxNorm NonNeg UnitNorm L1 L2 L1L2 OrthogonalRegularizer
Divide TrueDivide Negative GetItem Stack Split Flip Power Sqrt Square Mean Squeeze ExpandDims Transpose Clip
Relu Relu6 Sigmoid Silu HardSigmoid HardSilu Gelu
"""
PARTS = frozenset(_PART_NAMES.split())
"""What layers are made of: models, number types, initializers, constraints, regularizers, arithmetic between layers."""


def check_archive(path: Path) -> None:
    """Raise `ModelRefusedError` when a .keras file is no sound archive or asks for anything but the layers we know."""
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                check_member(member)
            sizes = {one.filename: one.file_size for one in archive.infolist()}
            if sum(sizes.values()) > UNPACKED_BYTES or sizes.get("config.json", 0) > CONFIG_BYTES:
                raise ModelRefusedError(
                    "The Keras file is a zip bomb: it unpacks to far more than a network needs."
                )
            config = json.loads(archive.read("config.json"))
    except KeyError as error:
        raise ModelRefusedError(
            "This is not a whole .keras file: config.json is missing."
        ) from error
    except zipfile.BadZipFile as error:
        raise ModelRefusedError(
            f"This is not a whole .keras file, it was cut off or damaged: {error}."
        ) from error
    except (OSError, zlib.error, ValueError, EOFError, RuntimeError, NotImplementedError) as error:
        raise ModelRefusedError(f"This is not a whole .keras file: {error}") from error
    if not isinstance(config, dict):
        raise ModelRefusedError(
            "This is not a whole .keras file: its config.json describes no network."
        )
    check_config(
        {key: value for key, value in config.items() if key != "compile_config"}
    )  # it is loaded without compiling


def check_config(config: Any) -> None:
    """Raise `ModelRefusedError` when a network's description names a layer that is not ours to run. The message names the layer."""
    for one in _dictionaries(config):
        if "class_name" in one:
            _check_object(one)
        for key in ("units", "filters", "input_dim", "output_dim", "depth_multiplier"):
            if isinstance(one.get(key), int | float) and one[key] > MOST_UNITS:
                raise ModelRefusedError(
                    f"The layer {str(one.get('name'))[:100]!r} asks for {one[key]:,} {key}, more than memory holds."
                )


def _check_object(one: dict[str, Any]) -> None:
    kind, module, inside = one["class_name"], one.get("module"), one.get("config")
    if not isinstance(kind, str):
        raise ModelRefusedError("The model has a layer whose kind is no name.")
    at_home = module is None or str(module).split(".")[0] == "keras"
    if kind in PLAIN or (at_home and kind in LAYERS | PARTS and not _registered_elsewhere(one)):
        return
    name = inside.get("name") if isinstance(inside, dict) else inside
    what = f"The layer {str(name)[:100]!r} is of the kind {kind[:100]!r}"
    if kind in CODE or not at_home:
        where = f" from {str(module)[:60]!r}" if module and not at_home else ""
        raise ModelRefusedError(
            f"{what}{where}, which carries code of its own. Only Keras' own layers may."
        )
    raise ModelRefusedError(
        f"{what}, which is not on the list of layers that may be used: it is code of somebody's own, or reads files."
    )


def _registered_elsewhere(one: dict[str, Any]) -> bool:
    """True when the object claims to be registered under a name that is not its own, or in a package of somebody's own."""
    registered = one.get("registered_name")
    return registered is not None and registered not in (
        one["class_name"],
        f"keras>{one['class_name']}",
    )


def _dictionaries(value: Any) -> list[dict[str, Any]]:
    """Every object in a JSON value, however deep."""
    found: list[dict[str, Any]] = []
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            found.append(one)
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return found
