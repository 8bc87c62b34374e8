"""Settings: a frozen value, read once from the environment. Nonsense fails loudly; every name has its line in the README."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from webapp.errors import ConfigError

ROOT = Path(__file__).resolve().parent.parent

KNOWN = (
    "MARQUE_HOST",
    "MARQUE_PORT",
    "MARQUE_DATA",
    "MARQUE_ADMIN_PASSWORD",
    "MARQUE_SECRET_KEY",
    "MARQUE_MODELS",
    "MARQUE_MODEL",
    "MARQUE_ENGINE",
    "MARQUE_DATABASE_URL",
    "MARQUE_BROKER_URL",
    "MARQUE_IMPORT_FOLDER",
    "MARQUE_UPLOADS",
    "MARQUE_GALLERY",
    "MARQUE_WORKERS",
    "MARQUE_THREADS",
    "MARQUE_TLS",
    "MARQUE_PROXIES",
    "MARQUE_LEGACY_ROUTES",
    "MARQUE_RATE_LIMITS",
    "MARQUE_RATE_PHOTOS",
    "MARQUE_RATE_REQUESTS",
    "MARQUE_RATE_KEYS",
    "MARQUE_RATE_URL",
    "MARQUE_KEY",
    "MARQUE_WEBHOOKS",
)
RESERVED = ("MARQUE_FILES_URL",)
"""Names that DESIGN promises and a later version will read. Setting them today changes nothing, and start-up says so."""


@dataclass(frozen=True)
class Config:
    """Everything the app can be told. `data` is the one folder that is written to."""

    data: Path
    models: Path
    secret_key: str
    host: str = "127.0.0.1"
    port: int = 8000
    model: str = ""
    engine: str = "litert"
    database_url: str = ""
    broker_url: str = ""
    import_folder: Path | None = None
    admin_password: str = ""
    uploads: str = "public"
    gallery: str = "public"
    workers: int = 2
    threads: int = 32
    tls: bool = False
    proxies: int = 0
    legacy_routes: bool = True
    rate_limits: bool = True
    rate_photos: int = 600
    rate_requests: int = 6000
    rate_keys: int = 10
    rate_url: str = ""
    webhooks: str = "public"

    @property
    def database(self) -> str:
        """The SQLAlchemy URL of the rows: `MARQUE_DATABASE_URL`, or `marque.sqlite` in the data folder."""
        return self.database_url or f"sqlite:///{self.data / 'marque.sqlite'}"

    def for_child(self) -> dict[str, str]:
        """The variables with which a command of ours sees the same data as this process."""
        return {
            "MARQUE_DATA": str(self.data),
            "MARQUE_MODELS": str(self.models),
            "MARQUE_MODEL": self.model,
            "MARQUE_ENGINE": self.engine,
            "MARQUE_DATABASE_URL": self.database_url,
            "MARQUE_BROKER_URL": self.broker_url,
            "MARQUE_SECRET_KEY": self.secret_key,
        }

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Config:
        """Read the environment. Raises `ConfigError` that names the variable and what it may be.

        Makes the data folder (0700) and, when `MARQUE_SECRET_KEY` is absent, a key of its own in it (0600).
        """
        env = os.environ if env is None else env
        data = Path(env.get("MARQUE_DATA") or ROOT / "instance").resolve()
        _make_private(data)
        return cls(
            data=data,
            models=Path(env.get("MARQUE_MODELS") or ROOT / "models").resolve(),
            secret_key=env.get("MARQUE_SECRET_KEY") or _kept_secret(data / "secret_key"),
            host=env.get("MARQUE_HOST") or cls.host,
            port=_number(env, "MARQUE_PORT", cls.port, 1, 65535),
            model=env.get("MARQUE_MODEL", ""),
            engine=_choice(env, "MARQUE_ENGINE", ("litert", "keras")),
            database_url=env.get("MARQUE_DATABASE_URL", ""),
            broker_url=env.get("MARQUE_BROKER_URL", ""),
            import_folder=_folder(env, "MARQUE_IMPORT_FOLDER"),
            admin_password=env.get("MARQUE_ADMIN_PASSWORD", ""),
            uploads=_choice(env, "MARQUE_UPLOADS", ("public", "login")),
            gallery=_choice(env, "MARQUE_GALLERY", ("public", "login")),
            workers=_number(env, "MARQUE_WORKERS", available_cores(), 1, 256),
            threads=_number(env, "MARQUE_THREADS", cls.threads, 1, 256),
            tls=_choice(env, "MARQUE_TLS", ("off", "on")) == "on",
            proxies=_number(env, "MARQUE_PROXIES", cls.proxies, 0, 10),
            legacy_routes=_choice(env, "MARQUE_LEGACY_ROUTES", ("on", "off")) == "on",
            rate_limits=_choice(env, "MARQUE_RATE_LIMITS", ("on", "off")) == "on",
            rate_photos=_number(env, "MARQUE_RATE_PHOTOS", cls.rate_photos, 1, 10_000_000),
            rate_requests=_number(env, "MARQUE_RATE_REQUESTS", cls.rate_requests, 1, 10_000_000),
            rate_keys=_number(env, "MARQUE_RATE_KEYS", cls.rate_keys, 1, 10_000),
            rate_url=_redis(env, "MARQUE_RATE_URL"),
            webhooks=_choice(env, "MARQUE_WEBHOOKS", ("public", "any")),
        )


def unknown_settings(env: Mapping[str, str]) -> list[str]:
    """One sentence for each `MARQUE_` variable that this version does not read: misspelt, or promised for later."""
    sentences = []
    for name in sorted(env):
        if name in RESERVED:
            sentences.append(f"{name} is set, but this version does not use it yet.")
        elif name.startswith("MARQUE_") and name not in KNOWN:
            sentences.append(f"{name} is not a setting. Known: {', '.join(KNOWN)}.")
    return sentences


def _choice(env: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    value = (env.get(name) or allowed[0]).strip().lower()
    if value not in allowed:
        raise ConfigError(f"{name} must be {' or '.join(allowed)}, got {value!r}.")
    return value


def _number(env: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = env.get(name) or str(default)
    if not text.isdecimal() or not least <= int(text) <= most:
        raise ConfigError(f"{name} must be a whole number from {least} to {most}, got {text!r}.")
    return int(text)


def _folder(env: Mapping[str, str], name: str) -> Path | None:
    """A folder that must be there, None when the setting is off."""
    if not env.get(name):
        return None
    path = Path(env[name]).resolve()
    if not path.is_dir():
        raise ConfigError(f"{name} must be a folder; {path} is none.")
    return path


def _redis(env: Mapping[str, str], name: str) -> str:
    url = env.get(name, "").strip()
    if url and not url.startswith(("redis://", "rediss://", "redis+unix://")):
        raise ConfigError(
            f"{name} must be the address of a Redis server, like redis://localhost:6379/1."
        )
    return url


def available_cores() -> int:
    """Cores this process may use, which in a container is less than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _make_private(folder: Path) -> None:
    if folder.is_dir():
        return
    try:
        folder.mkdir(parents=True, mode=0o700)
    except FileExistsError:
        if not folder.is_dir():
            raise ConfigError(f"MARQUE_DATA must be a folder, {folder} is a file.") from None
    except OSError as error:
        raise ConfigError(
            f"MARQUE_DATA: the folder {folder} cannot be made ({error.strerror})."
        ) from error


def _kept_secret(path: Path) -> str:
    """The key in `path`, made on first need. Of two processes that start together both end with the same one: a link is made once."""
    if not path.exists():
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with os.fdopen(
                os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii"
            ) as stream:
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
            f"{path} holds no usable key. Delete it: a new one is made, and everybody logs in again."
        )
    return key


def warn_of_unknown_settings() -> None:
    """Print the sentences of `unknown_settings` to stderr."""
    for sentence in unknown_settings(os.environ):
        print(f"marque: {sentence}", file=sys.stderr)  # noqa: T201
