"""Settings: one frozen value, read once from the environment. Nonsense fails loudly.

Every setting has its row in the README.
"""

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    DirectoryPath,
    Field,
    StringConstraints,
    ValidationError,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from webapp.errors import ConfigError

ROOT = Path(__file__).resolve().parent.parent

RESERVED = ("MARQUE_FILES_URL", "MARQUE_BROKER_URL")  # promised for a later version, not read yet


def available_cores() -> int:
    """Cores this process may use, which in a container is less than the machine has."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


_Resolved = AfterValidator(Path.resolve)
_AnyCase = BeforeValidator(lambda value: value.strip().lower() if isinstance(value, str) else value)
_Audience = Annotated[Literal["public", "login"], _AnyCase]
_Secret = Annotated[str, StringConstraints(strip_whitespace=False)]


class Config(BaseSettings):
    """Everything the app can be told. `data` is the one folder that is written to.

    Each field is read from `MARQUE_<NAME>` unless it is given; empty variables count as unset.
    """

    model_config = SettingsConfigDict(
        env_prefix="MARQUE_", env_ignore_empty=True, frozen=True, str_strip_whitespace=True
    )

    data: Annotated[Path, _Resolved] = ROOT / "instance"
    models: Annotated[Path, _Resolved] = ROOT / "models"
    secret_key: _Secret = ""
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)
    model: str = ""
    engine: Annotated[Literal["litert", "keras"], _AnyCase] = "litert"
    detector: bool = True
    database_url: str = ""
    import_folder: Annotated[DirectoryPath, _Resolved] | None = None
    admin_password: _Secret = ""
    uploads: _Audience = "public"
    gallery: _Audience = "public"
    workers: int = Field(default_factory=available_cores, ge=1, le=256)
    threads: int = Field(32, ge=1, le=256)
    tls: bool = False
    proxies: int = Field(0, ge=0, le=10)
    legacy_routes: bool = True
    rate_limits: bool = True
    rate_photos: int = Field(600, ge=1, le=10_000_000)
    rate_requests: int = Field(6000, ge=1, le=10_000_000)
    rate_keys: int = Field(10, ge=1, le=10_000)
    rate_url: str = Field("", pattern=r"^(redis(s|\+unix)?://.*)?$")
    webhooks: Annotated[Literal["public", "any"], _AnyCase] = "public"

    @property
    def database(self) -> str:
        """The SQLAlchemy URL of the rows: by default `marque.sqlite` in the data folder."""
        return self.database_url or f"sqlite:///{self.data / 'marque.sqlite'}"

    @classmethod
    def from_env(cls) -> Self:
        """The settings of the environment. Raises `ConfigError` that names the variable.

        Makes the data folder (0700) and, without `MARQUE_SECRET_KEY`, a key of its own in it
        (0600).
        """
        try:
            config = cls()
        except ValidationError as error:
            raise ConfigError(
                " ".join(
                    f"MARQUE_{str(fault['loc'][0]).upper()}: {fault['msg']}, "
                    f"got {fault['input']!r}."
                    for fault in error.errors()
                )
            ) from None
        _make_private(config.data)
        if config.secret_key:
            return config
        return config.model_copy(update={"secret_key": _kept_secret(config.data / "secret_key")})


# MARQUE_KEY is the API key with which `flask photos classify --url` reaches another server
KNOWN = (*(f"MARQUE_{name.upper()}" for name in Config.model_fields), "MARQUE_KEY")


def unknown_settings(env: Mapping[str, str]) -> list[str]:
    """One sentence for each `MARQUE_` variable that is not read: misspelt, or promised for
    later."""
    return [
        f"{name} is set, but this version does not use it yet."
        if name in RESERVED
        else f"{name} is not a setting. Known: {', '.join(KNOWN)}."
        for name in sorted(env)
        if name.startswith("MARQUE_") and name not in KNOWN
    ]


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except FileExistsError:
        raise ConfigError(f"MARQUE_DATA must be a folder, {folder} is a file.") from None
    except OSError as error:
        raise ConfigError(
            f"MARQUE_DATA: the folder {folder} cannot be made ({error.strerror})."
        ) from error


def _kept_secret(path: Path) -> str:
    """The key in `path`, made on first need.

    Two processes that start together end with the same one: a link is made once.
    """
    if not path.exists():
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as stream:
                stream.write(secrets.token_hex(32))
            with suppress(FileExistsError):
                os.link(fresh, path)
            fresh.unlink()
        except OSError as error:
            raise ConfigError(
                f"MARQUE_SECRET_KEY is not set and {path} cannot be written ({error.strerror})."
            ) from error
    key = path.read_text(encoding="ascii").strip()
    if len(key) < 32:
        raise ConfigError(
            f"{path} holds no usable key. Delete it: a new one is made, "
            "and everybody logs in again."
        )
    return key
