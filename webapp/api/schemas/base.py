"""Base classes and field types of requests and answers.

Requests are pydantic models, which check them. Answers are plain dicts: `TypedDict`s describe them
to mypy and to the OpenAPI document, so that nothing is validated while serving. A class of answers
is called `PhotoJson`, its component in the document `Photo`.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SkipValidation,
    WithJsonSchema,
    with_config,
)
from typing_extensions import TypedDict

from webapp.services.labels.relabel import MAX_WHY
from webapp.services.photos.classify import Incoming

OFF: Any = None  # the default of what may be left out; never read


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


# In a body `2.0` is a whole number too. (In an address, texts would no longer be read as numbers.)
WHOLE = BeforeValidator(_whole)

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
KeepMetadata = Literal["keep"]
VersionNumber = Annotated[int, Field(ge=1, le=999_999_999)]
Why = Annotated[str, Field(max_length=MAX_WHY, description="The reason, for the log.")]
BINARY = WithJsonSchema({"type": "string", "format": "binary"})
File = Annotated[Incoming, SkipValidation, BINARY]
Moment = Annotated[
    str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-11-20T15:02:11.402Z"])
]

PhotoId = Annotated[str, Field(description="The id of a photo.", examples=["k7Qm2xVd9aBc"])]
CarId = Annotated[str, Field(description="The id of a car.", examples=["Wq3nZ0c_Lr5u"])]
ModelName = Annotated[str, Field(description="The name of a model.", examples=["f1-teams"])]
Version = Annotated[int, Field(ge=0, description="The number of a version.", examples=[1])]
Batch = Annotated[str, Field(description="The `batch` that a change of many labels answered.")]
JobId = Annotated[str, Field(description="The id of a job.")]
FileName = Annotated[str, Field(description="The name of one of its files, or `manifest.json`.")]
ExportId = Annotated[str, Field(description="The header `Marque-Export` of an export.")]


def enum(*allowed: str) -> Any:
    """The description of a field of an answer that is one of a few texts."""
    return Field(json_schema_extra={"enum": list(allowed)})


def example(**fields: Any) -> ConfigDict:
    """The configuration of a body with an example for the document."""
    return ConfigDict(json_schema_extra={"examples": [fields]})


class ApiRequest(BaseModel):
    """What a call takes. An unknown name is refused, so that a misspelt one is never ignored."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class MultipartRequest(ApiRequest):
    """A multipart form with files in the fields `files`. Unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore")

    files: ClassVar[tuple[str, ...]] = ("file",)


@with_config(ConfigDict(use_attribute_docstrings=True))
class JsonShape(TypedDict):
    """What a call answers; the sentence below a field is its description in the document."""


class ModelVersionJson(JsonShape):
    """A model and one of its versions."""

    name: str
    version: int
