"""Which channels this installation has."""

from collections.abc import Mapping
from pathlib import Path

from services.notify.channels import Channel
from services.notify.channels.email import EmailChannel, SmtpSettings
from services.notify.channels.file import FileChannel
from services.notify.channels.sms_46elks import ElksChannel, ElksSettings


def configured_channels(folder: Path) -> Mapping[str, Channel]:
    """The gateways that the environment names; without any, both channels write to `folder`.

    With one gateway alone the other channel does not exist: a file that nobody opens would
    count as told.
    """
    smtp, elks = SmtpSettings(), ElksSettings()
    channels: dict[str, Channel] = {}
    if smtp.smtp_host:
        channels["email"] = EmailChannel(smtp)
    if elks.elks_username:
        channels["sms"] = ElksChannel(elks)
    if not channels:
        channels = {"email": FileChannel(folder, "email"), "sms": FileChannel(folder, "sms")}
    return channels
