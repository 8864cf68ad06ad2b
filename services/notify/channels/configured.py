"""Which channels this installation has."""

from collections.abc import Callable, Mapping
from pathlib import Path

from services.notify.channels import Channel
from services.notify.channels.email.channel import EmailChannel
from services.notify.channels.email.settings import SmtpSettings
from services.notify.channels.file.channel import FileChannel
from services.notify.channels.sms_46elks.channel import ElksChannel
from services.notify.channels.sms_46elks.settings import ElksSettings
from services.notify.channels.webhook.channel import WebhookChannel
from services.notify.channels.webhook.settings import WebhookSettings


def configured_channels(folder: Path, clock: Callable[[], float]) -> Mapping[str, Channel]:
    """The gateways that the environment names; without any, e-mail and SMS go to `folder`.

    With one gateway alone the other channels do not exist: a file that nobody opens would
    count as told. `clock` tells Unix seconds. Raises `SettingsRefusedError`.
    """
    smtp, elks, webhook = SmtpSettings(), ElksSettings(), WebhookSettings()
    channels: dict[str, Channel] = {}
    if smtp.smtp_host:
        channels["email"] = EmailChannel(smtp)
    if elks.elks_username:
        channels["sms"] = ElksChannel(elks, clock)
    if webhook.webhook_url:
        channels["webhook"] = WebhookChannel(webhook, clock)
    if not channels:
        channels = {"email": FileChannel(folder, "email"), "sms": FileChannel(folder, "sms")}
    return channels
