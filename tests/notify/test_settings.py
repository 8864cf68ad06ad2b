"""Files that are read again when they change."""

import os
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from services.notify.routing import Routing
from services.notify.settings import Settings
from shared.config import ConfigError
from shared.last_good import LastGood


def write(file: Path, text: str, changed: int) -> None:
    file.write_text(text, encoding="utf-8")
    os.utime(file, ns=(changed, changed))


def in_use() -> float | None:
    return REGISTRY.get_sample_value(
        "narvara_config_last_reload_successful", {"file": "routing.yaml"}
    )


def test_a_changed_file_is_in_use_at_once_and_a_wrong_one_never(tmp_path: Path) -> None:
    file = tmp_path / "routing.yaml"
    write(file, "start_list: hold\n", 1)
    watched = LastGood(file, Routing)

    write(file, "start_list: never\n", 2)
    wrong = (watched.newest().start_list, in_use())
    file.unlink()
    gone = (watched.newest().start_list, in_use())
    write(file, "start_list: digest\n", 3)
    mended = (watched.newest().start_list, in_use())

    assert wrong == ("hold", 0)
    assert gone == ("hold", 0)
    assert mended == ("digest", 1)


def test_the_service_does_not_start_on_a_wrong_file(tmp_path: Path) -> None:
    write(tmp_path / "routing.yaml", "start_list: never\n", 1)

    with pytest.raises(ConfigError, match=r"routing\.yaml:1"):
        LastGood(tmp_path / "routing.yaml", Routing)


def test_links_begin_with_the_address_that_staff_know() -> None:
    assert Settings().base_url == "http://127.0.0.1:8003"
    assert Settings(public_url="https://x.example/").base_url == "https://x.example"
