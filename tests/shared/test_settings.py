"""Settings come from the environment, have ranges, and keep the server's password to themselves."""

from pathlib import Path

import pytest

from services.rules.settings import Settings as RulesSettings
from shared.settings import Settings, SettingsRefusedError


def test_what_the_environment_says_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NARVARA_PARTITIONS", "16")
    monkeypatch.setenv("NARVARA_CONFIG_DIR", "/etc/narvara")
    monkeypatch.setenv("NARVARA_UNKNOWN", "is another service's")

    settings = Settings()

    assert (settings.partitions, settings.config_dir) == (16, Path("/etc/narvara"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PARTITIONS", "0"),
        ("PARTITIONS", "257"),
        ("PARTITIONS", "hemligt"),
        ("CLOCK", "sundial"),
        ("LEASE_SECONDS", "0.1"),
        ("REDIS_URL", "hemligt"),
        ("REDIS_URL", "redis://:hemligt@server:x/0"),
        ("REDIS_URL", "redis://:hemligt@server:70000"),
        ("REDIS_URL", "redis://[::1"),
    ],
)
def test_what_cannot_be_is_refused_by_name_without_its_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"NARVARA_{name}", value)

    with pytest.raises(SettingsRefusedError, match=f"^NARVARA_{name}: wanted ") as refused:
        Settings()

    assert value not in str(refused.value)
    assert refused.value.__suppress_context__  # what came before quotes what was met


def test_all_that_is_wrong_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NARVARA_PARTITIONS", "x")
    monkeypatch.setenv("NARVARA_CLOCK", "y")

    with pytest.raises(SettingsRefusedError) as refused:
        Settings()

    assert str(refused.value) == (
        "NARVARA_PARTITIONS: wanted a whole number; NARVARA_CLOCK: wanted system or simulated"
    )


def test_the_server_address_which_may_hold_a_password_is_never_shown() -> None:
    settings = Settings(redis_url="redis://:secret@server:6379/0")

    assert "secret" not in repr(settings) + str(settings)
    assert settings.url == "redis://:secret@server:6379/0"


@pytest.mark.parametrize(
    ("text", "owned"),
    [
        ("all", (0, 1, 2, 3, 4, 5, 6, 7)),
        ("0-3", (0, 1, 2, 3)),
        ("5", (5,)),
        ("0,2, 4-5", (0, 2, 4, 5)),
        ("1-2,2-3", (1, 2, 3)),
    ],
)
def test_a_rules_process_owns_the_partitions_it_is_told(text: str, owned: tuple[int, ...]) -> None:
    assert RulesSettings(rules_partitions=text).owned == owned


@pytest.mark.parametrize("text", ["", "some", "1-", "-1", "1;2", "3-x"])
def test_partitions_that_nobody_can_read_are_refused(text: str) -> None:
    with pytest.raises(SettingsRefusedError, match="wanted all, or partitions such as"):
        RulesSettings(rules_partitions=text)


def test_a_partition_that_does_not_exist_is_refused() -> None:
    with pytest.raises(SettingsRefusedError, match="there is no partition 8; there are 0 to 7"):
        RulesSettings(rules_partitions="6-9")
