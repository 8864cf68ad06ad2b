"""A school with a mail server and an SMS gateway of its own, for tests of the whole service."""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from services.notify.settings import Settings
from shared.broker import make_client
from tests.notify.examples import roster
from tests.notify.gateways import MailServer, SmsGateway, mail_server, sms_gateway
from tests.notify.school import PARTITIONS, School


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@pytest.fixture
def sms() -> Iterator[SmsGateway]:
    with sms_gateway() as gateway:
        yield gateway


@pytest.fixture
async def school(
    redis_url: str,
    tmp_path: Path,
    mail: MailServer,
    sms: SmsGateway,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[School]:
    for name, value in {
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(mail.port),
        "SMTP_TLS": "none",
        "MAIL_FROM": "narvara@skola.example",
        "ELKS_URL": sms.url,
        "ELKS_USERNAME": "user",
        "ELKS_PASSWORD": "secret",
        "SMS_REPORTS_URL": "https://narvara.skola.example/sms/reports",
    }.items():
        monkeypatch.setenv(f"NARVARA_{name}", value)
    config = shutil.copytree("deploy/config", tmp_path / "config")
    settings = Settings(
        redis_url=redis_url,
        data_dir=tmp_path / "data",
        config_dir=config,
        partitions=PARTITIONS,
        retry_seconds=0.05,
        lease_seconds=2,
        public_url="https://narvara.skola.example",
    )
    client = make_client(redis_url)
    made = School(settings, client)
    await made.set_roster(roster().model_dump_json(by_alias=True))
    yield made
    await client.aclose()
