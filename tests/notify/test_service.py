"""The whole path on a real server: steps in, mails and SMS out, each told once."""

import asyncio
import re
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from services.notify.app import create_app
from services.notify.channels.sms_46elks.reports import report_url
from services.notify.rows import Asked
from services.notify.stages.route import address_key
from services.notify.store import LEASE
from shared.events import CaseAnswer, CaseTold
from shared.roster import ROSTER
from shared.streams import BODY, attendance, case_steps, partition_of
from shared.telemetry import Lifeline
from tests.notify.examples import (
    EHT,
    OTHER_PUPIL,
    PUPIL,
    SCHOOL,
    TEACHER,
    THURSDAY,
    UNKNOWN_PUPIL,
    WEDNESDAY,
    live,
    member,
    pupil,
    reached,
    roster,
    step,
    unit_step,
)
from tests.notify.gateways import MailServer, SmsGateway
from tests.notify.lives import ask
from tests.notify.school import (
    PARTITIONS,
    School,
    eventually,
    get,
    link_in,
    post,
    text_of,
    until,
)

TEACHER_MAIL, EHT_MAIL = f"{TEACHER}@skola.example", f"{EHT}@skola.example"
SLOT = reached(THURSDAY, "15:00")


async def test_a_weeks_signals_come_in_one_digest_and_its_link_opens_their_page(
    school: School, mail: MailServer, sms: SmsGateway
) -> None:
    async with school.notify() as app:
        await school.time_passes(reached(WEDNESDAY))
        await school.happens(step(step_id="a"), partition=0)
        await school.happens(step(step_id="b", pupil=OTHER_PUPIL), partition=1)
        await school.time_passes(SLOT)
        await until(lambda: len(mail.raw) == 1)
        page = await get(app, link_in(text_of(mail)).removeprefix("https://narvara.skola.example"))

    assert mail.recipients == [TEACHER_MAIL]
    assert sms.forms == []
    assert page.status_code == 200
    assert page.text.count('<h2 class="who">N.U.</h2>') == 2
    for words in ("Hög total frånvaro", "16,3 %"):
        assert words in page.text
    for unsaid in (PUPIL, OTHER_PUPIL, "Uppdiktad"):
        assert unsaid not in page.text


async def test_eht_is_told_of_a_serious_signal_at_once_by_sms(
    school: School, mail: MailServer, sms: SmsGateway
) -> None:
    async with school.notify() as app:
        await school.time_passes(reached(WEDNESDAY))
        await school.happens(step(level=3))
        await until(lambda: len(sms.forms) == 1)
        link = link_in(sms.forms[0]["message"])
        page = await get(app, link.removeprefix("https://narvara.skola.example"))

    (form,) = sms.forms
    assert form["to"] == "+46700000002"
    assert form["from"] == "NarVara"
    assert form["dontlog"] == "message"
    assert sms.logins == ["Basic dXNlcjpzZWNyZXQ="]
    assert "N.U." in page.text
    assert mail.raw == []


async def test_no_message_carries_anything_about_a_pupil(
    school: School, mail: MailServer, sms: SmsGateway
) -> None:
    async with school.notify():
        await school.time_passes(reached(WEDNESDAY))
        await school.happens(
            step(),
            step(level=3, pupil=OTHER_PUPIL),
            unit_step("class/8B", rule="outbreak"),
            unit_step("group/8B-MA", level=3, audience=("eht",)),
        )
        await school.time_passes(SLOT)
        await until(lambda: bool(mail.raw and sms.forms))
        await school.happens(step("retracted", level=3, pupil=OTHER_PUPIL, remaining=0))
        await until(lambda: len(sms.forms) == 2)

    words = "\n".join([mail.decoded, *(form["message"] for form in sms.forms)])
    # A link is random: what it happens to spell says nothing.
    said = re.sub(r"https://narvara\.skola\.example/m/[\w-]{22}", "", words)
    assert "Du har nya närvarosignaler" in said
    for secret in (
        *(PUPIL, OTHER_PUPIL, "Nils", "Uppdiktad", "Astrid", "Påhittad", "8B", "high-absence"),
        *("outbreak", "8B-MA", "Klass", "Gruppen", "Many newly", "nyligen borta"),
        *("Hög total", "High total", "absence_share", "16,3", "0.1625", "%", "Oro", "Allvar"),
    ):
        assert secret not in said


async def test_the_ledger_names_step_recipient_and_channel(
    school: School, mail: MailServer
) -> None:
    async with school.notify():
        await school.time_passes(reached(WEDNESDAY))
        await school.happens(
            step(step_id="opened-2"),
            step(level=3, step_id="opened-3", pupil=OTHER_PUPIL),
            step("raised", level=4, step_id="raised-4", pupil=OTHER_PUPIL),
        )
        await school.time_passes(SLOT)
        await until(lambda: len(mail.raw) == 1)

        await school.nothing_waits()
        ledger = await school.rows("ledger")

    assert set(ledger) == {
        f"opened-2 {SCHOOL}/{TEACHER} email",
        f"opened-3 {SCHOOL}/{EHT} sms",
        f"raised-4 {SCHOOL}/{EHT} sms",
    }


async def test_a_restart_tells_nothing_twice(
    school: School, mail: MailServer, sms: SmsGateway
) -> None:
    async with school.notify():
        await school.time_passes(reached(WEDNESDAY))
        await school.happens(step(), step(level=3, pupil=OTHER_PUPIL))
        await until(lambda: len(sms.forms) == 1)
    async with school.notify():
        await school.time_passes(SLOT)
        await until(lambda: len(mail.raw) == 1)
    async with school.notify():
        await school.time_passes(reached(THURSDAY, "15:15"))
        await school.all_folded()
        await asyncio.sleep(0.3)

    assert (len(mail.raw), len(sms.forms)) == (1, 1)


async def test_a_transient_failure_is_tried_again_until_it_is_taken(
    school: School, mail: MailServer, sms: SmsGateway
) -> None:
    mail.replies = ["451 try later", "421 busy"]
    sms.answers = [(503, {}), (429, {"Retry-After": "0"})]

    async with school.notify():
        await school.time_passes(reached(WEDNESDAY))
        await school.happens(step(), step(level=3, pupil=OTHER_PUPIL))
        await school.time_passes(SLOT)
        await until(lambda: len(mail.raw) == 1 and len(sms.forms) == 1)

    assert mail.recipients == [TEACHER_MAIL]


async def test_a_permanent_failure_brings_the_next_channel(
    school: School, mail: MailServer, sms: SmsGateway
) -> None:
    sms.answers = [(403, {})]

    async with school.notify():
        await school.time_passes(reached(WEDNESDAY))
        await school.happens(step(level=3))
        await until(lambda: len(mail.raw) == 1)

    assert mail.recipients == [EHT_MAIL]
    assert sms.forms == []


async def test_when_every_channel_refuses_it_is_a_dead_letter_that_can_be_replayed(
    school: School, mail: MailServer, sms: SmsGateway
) -> None:
    sms.answers = [(400, {})]
    mail.replies = ["550 no such mailbox"]

    async def given_up() -> bool:
        return bool(await school.rows("dead-letters"))

    async with school.notify():
        await school.time_passes(reached(WEDNESDAY))
        await school.happens(step(level=3))
        await eventually(given_up)
        (name, letter), *_ = (await school.rows("dead-letters")).items()
        await ask(school.client, name, Asked("replay"))
        await until(lambda: len(sms.forms) == 1)

    assert letter["reason"] == "sms: HTTP 400; email: SMTP 550 at RCPT"
    assert await school.rows("dead-letters") == {}


async def test_when_the_gateway_has_accepted_rules_hears_who_was_told_of_whom(
    school: School, mail: MailServer, sms: SmsGateway
) -> None:
    sms.answers = [(503, {})]
    far_pupil = "elev-4"
    rows = (pupil(PUPIL), pupil(far_pupil))
    staff = (member(TEACHER, "contact_teacher"), member(EHT, "eht"))
    await school.set_roster(roster(*rows, *staff).model_dump_json(by_alias=True))
    home, other = (partition_of(SCHOOL, each, PARTITIONS) for each in (PUPIL, far_pupil))

    async def heard() -> bool:
        return len(await school.told(home)) == len(await school.told(other)) == 1

    async with school.notify():
        await school.time_passes(reached(WEDNESDAY))
        await school.happens(
            step(level=3),
            step(pupil=far_pupil),
            step(pupil=far_pupil, rule="late-arrivals"),
        )
        await until(lambda: len(sms.forms) == 1)
        await school.time_passes(SLOT)
        await eventually(heard)
        await school.nothing_waits()

    assert home != other
    assert await school.told(home) == [
        CaseTold(school=SCHOOL, pupil=PUPIL, recipient=EHT, on=WEDNESDAY, rules=("high-absence",))
    ]
    assert await school.told(other) == [
        CaseTold(
            school=SCHOOL,
            pupil=far_pupil,
            recipient=TEACHER,
            on=THURSDAY,
            rules=("high-absence", "late-arrivals"),
        )
    ]


async def test_good_news_and_units_have_no_deadline(school: School, mail: MailServer) -> None:
    async with school.notify():
        await school.time_passes(reached(WEDNESDAY))
        await school.happens(step(rule="better", good_news=True), unit_step())
        await school.time_passes(SLOT)
        await until(lambda: len(mail.raw) == 1)
        await school.nothing_waits()

    assert [await school.told(partition) for partition in range(PARTITIONS)] == [[], []]


async def test_what_someone_drops_is_sent_to_nobody(
    school: School, mail: MailServer, sms: SmsGateway
) -> None:
    sms.answers = [(400, {})]
    mail.replies = ["550 no such mailbox"]

    async def given_up() -> bool:
        return bool(await school.rows("dead-letters"))

    async def dropped() -> bool:
        return bool(await school.rows("dropped"))

    async with school.notify():
        await school.time_passes(reached(WEDNESDAY))
        await school.happens(step(level=3))
        await eventually(given_up)
        (name,) = await school.rows("dead-letters")
        await ask(school.client, name, Asked("drop", "told by phone"))
        await eventually(dropped)
        await school.time_passes(reached(WEDNESDAY, "17:30"), reached(THURSDAY, "08:00"))
        await school.all_folded()
        await school.nothing_waits()

    assert (mail.raw, sms.forms) == ([], [])
    assert await school.rows("dead-letters") == {}


async def test_a_pupil_that_no_roster_names_is_told_to_eht(
    school: School, mail: MailServer
) -> None:
    async with school.notify():
        await school.time_passes(reached(WEDNESDAY))
        await school.happens(step(pupil=UNKNOWN_PUPIL))
        await school.time_passes(SLOT)
        await until(lambda: len(mail.raw) == 1)

    assert mail.recipients == [EHT_MAIL]


async def test_a_school_without_a_roster_is_told_to_the_inbox_that_the_file_names(
    school: School, mail: MailServer
) -> None:
    await school.client.delete(ROSTER)
    file = school.settings.config_dir / "routing.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(
        text.replace("eht_inbox: {}", f"eht_inbox: {{{SCHOOL}: eht@kommunen.example}}"),
        encoding="utf-8",
    )

    async with school.notify():
        await school.time_passes(reached(WEDNESDAY))
        await school.happens(step(level=3))
        await until(lambda: len(mail.raw) == 1)

    assert mail.recipients == ["eht@kommunen.example"]


async def test_without_roster_and_inbox_nothing_is_lost(school: School) -> None:
    await school.client.delete(ROSTER)

    async def given_up() -> bool:
        return bool(await school.rows("dead-letters"))

    async with school.notify():
        await school.time_passes(reached(WEDNESDAY))
        await school.happens(step(level=3))
        await eventually(given_up)
        (letter,) = (await school.rows("dead-letters")).values()

    assert "name eht_inbox for skola-1 in routing.yaml" in letter["reason"]


async def test_a_correction_withdraws_what_waits_and_corrects_what_was_told(
    school: School, mail: MailServer, sms: SmsGateway
) -> None:
    async with school.notify() as app:
        await school.time_passes(reached(WEDNESDAY))
        await school.happens(step(), step(level=3, pupil=OTHER_PUPIL))
        await until(lambda: len(sms.forms) == 1)
        await school.happens(
            step("retracted", remaining=0),
            step("retracted", level=3, pupil=OTHER_PUPIL, remaining=0, as_of=THURSDAY),
        )
        await until(lambda: len(sms.forms) == 2)
        await school.time_passes(SLOT)
        await school.all_folded()
        first = link_in(sms.forms[0]["message"]).removeprefix("https://narvara.skola.example")
        page = await get(app, first)

    assert mail.raw == []
    assert sms.forms[1]["message"].startswith("En tidigare signal har rättats")
    assert "rättad 2025-09-11: signalen gäller inte" in page.text


async def test_history_is_told_to_nobody_and_what_is_open_comes_in_the_first_digest(
    school: School, mail: MailServer, sms: SmsGateway
) -> None:
    async with school.notify():
        await school.happens(
            step(level=4, history=True, audience=("eht",)),
            step(pupil=OTHER_PUPIL, history=True),
            step("cleared", pupil=OTHER_PUPIL, history=True),
        )
        await school.time_passes(reached(WEDNESDAY), live(), SLOT)
        await until(lambda: len(mail.raw) == 1)
        await school.all_folded()

    assert text_of(mail).startswith("Du har nya närvarosignaler")
    assert (mail.recipients, sms.forms) == ([EHT_MAIL], [])


async def test_a_new_roster_counts_for_all_that_is_not_told_yet(
    school: School, mail: MailServer
) -> None:
    async with school.notify():
        await school.time_passes(reached(WEDNESDAY))
        await school.happens(step(), step(pupil=OTHER_PUPIL))
        await school.all_folded()
        rows = roster(
            member(TEACHER, "contact_teacher"),
            member("kt-2", "contact_teacher"),
            pupil(PUPIL),
            pupil(OTHER_PUPIL, "kt-2"),
        )
        await school.set_roster(rows.model_dump_json(by_alias=True))
        await school.time_passes(SLOT)
        await until(lambda: len(mail.raw) == 2)

    assert sorted(mail.recipients) == [TEACHER_MAIL, "kt-2@skola.example"]


async def test_an_unreadable_entry_is_kept_with_its_reason_and_hides_nothing(
    school: School, sms: SmsGateway
) -> None:
    async with school.notify():
        await school.time_passes(reached(WEDNESDAY))
        await school.client.xadd(case_steps(0), {"other": "x"})
        await school.client.xadd(case_steps(0), {BODY.decode(): b"\xff{"})
        await school.happens(step(level=3))
        await until(lambda: len(sms.forms) == 1)
        refused = await school.rows("quarantine")

    assert sorted(each["reason"] for each in refused.values()) == ["json_invalid", "json_invalid"]


async def test_a_second_process_waits_and_takes_over(school: School, sms: SmsGateway) -> None:
    second = create_app(school.settings)
    lifeline: Lifeline = second.state.lifeline
    async with AsyncExitStack() as stack:
        async with school.notify() as first:
            await stack.enter_async_context(second.router.lifespan_context(second))
            readiness = [(await get(app, "/readyz")).status_code for app in (first, second)]
            health = (await get(second, "/healthz")).status_code
        await until(lifeline.ready)
        await school.time_passes(reached(WEDNESDAY))
        await school.happens(step(level=3))
        await until(lambda: len(sms.forms) == 1)

    assert readiness == [200, 503]
    assert health == 200
    assert lifeline.failure is None


async def test_a_process_that_has_lost_its_lease_ends(school: School) -> None:
    app = create_app(school.settings)
    async with app.router.lifespan_context(app):
        lifeline: Lifeline = app.state.lifeline
        await until(lifeline.ready)
        await school.client.set(LEASE, "another")
        await asyncio.wait_for(lifeline.ended(), 5)
        health = await get(app, "/healthz")

    assert lifeline.failure is not None
    assert health.status_code == 503


async def test_what_is_measured_names_no_pupil(school: School, sms: SmsGateway) -> None:
    async with school.notify() as app:
        await school.time_passes(reached(WEDNESDAY))
        await school.happens(step(level=3))
        await until(lambda: len(sms.forms) == 1)
        await school.all_folded()
        metrics = (await get(app, "/metrics")).text

    assert 'narvara_messages_total{channel="sms",outcome="sent"}' in metrics
    assert 'narvara_steps_routed_total{decision="immediate"}' in metrics
    assert PUPIL not in metrics


async def test_without_gateways_every_message_is_a_file(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SMTP_HOST", "ELKS_USERNAME"):
        monkeypatch.delenv(f"NARVARA_{name}")
    folder = school.settings.data_dir / "messages"

    def files(*suffixes: str) -> Sequence[Path]:
        return [each for suffix in suffixes for each in folder.glob(f"*{suffix}")]

    async with school.notify():
        await school.time_passes(reached(WEDNESDAY))
        await school.happens(step(), step(level=3, pupil=OTHER_PUPIL))
        await school.time_passes(SLOT)
        await until(lambda: len(files(".eml", ".sms.txt")) == 2)

    assert len(files(".eml")) == 1
    assert "+46700000002" in files(".sms.txt")[0].read_text(encoding="utf-8")


async def test_one_close_in_many_partitions_is_one_message(school: School, sms: SmsGateway) -> None:
    async with school.notify():
        await school.time_passes(reached(WEDNESDAY, "16:45"))
        await school.come(step(level=3), reached(WEDNESDAY), partition=0)
        await asyncio.sleep(0.3)
        sent_before_all_have_closed = len(sms.forms)
        await school.come(step(level=3, pupil=OTHER_PUPIL), reached(WEDNESDAY), partition=1)
        await until(lambda: bool(sms.forms))
        await school.all_folded()
        await asyncio.sleep(0.3)

    assert sent_before_all_have_closed == 0
    assert len(sms.forms) == 1


async def answers_path(mail: MailServer) -> str:
    await until(lambda: len(mail.raw) == 1)
    link = link_in(text_of(mail)).removeprefix("https://narvara.skola.example")
    return f"{link}/answers"


async def test_an_answer_by_the_link_of_a_mail_reaches_rules_and_is_told_to_nobody_again(
    school: School, mail: MailServer
) -> None:
    async with school.notify() as app:
        await school.time_passes(reached(WEDNESDAY))
        await school.happens(step(), partition=0)
        await school.time_passes(SLOT)
        path = await answers_path(mail)
        answered = await post(app, path, pupil="1", answer="talked", note="Ringde hem")
        again = await post(app, path, pupil="1", answer="talked")
        await school.time_passes(reached(date(2025, 9, 18), "15:00"))
        await school.all_folded()
        await school.nothing_waits()

    assert (answered.status_code, answered.json()) == (
        200,
        {"answered": "talked", "again_on": "2025-09-25"},
    )
    assert again.status_code == 200
    facts = await school.told(partition_of(SCHOOL, PUPIL, PARTITIONS))
    assert [each for each in facts if isinstance(each, CaseAnswer)] == [
        CaseAnswer(school=SCHOOL, pupil=PUPIL, answer="talked", by=TEACHER, on=THURSDAY)
    ]
    assert len(mail.raw) == 1


async def test_a_note_stays_in_notify_and_goes_out_in_no_event(
    school: School, mail: MailServer
) -> None:
    async with school.notify() as app:
        await school.time_passes(reached(WEDNESDAY))
        await school.happens(step(), partition=0)
        await school.time_passes(SLOT)
        await post(app, await answers_path(mail), pupil="1", answer="talked", note="Ringde hem")
        await school.nothing_waits()

    (kept,) = (await school.rows("notes")).values()
    assert (kept["text"], kept["by"]) == ("Ringde hem", TEACHER)
    for partition in range(PARTITIONS):
        stream: Any = await school.client.xrange(attendance(partition))
        assert "Ringde" not in repr(stream)


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"pupil": "1", "answer": "shrug"}, 422, "answer"),
        ({"pupil": "1"}, 422, "answer: Field required"),
        ({"pupil": "2", "answer": "talked"}, 409, "from 1 to 1"),
        ({"pupil": "1", "answer": "known_cause"}, 409, "wanted a date from 2025-09-11 on"),
        ({"pupil": "1", "answer": "talked", "note": "å" * 12_000}, 413, "bytes"),
    ],
)
async def test_an_answer_that_cannot_be_taken_says_why_and_changes_nothing(
    school: School, mail: MailServer, fields: dict[str, str], status: int, said: str
) -> None:
    async with school.notify() as app:
        await school.time_passes(reached(WEDNESDAY))
        await school.happens(step(), partition=0)
        await school.time_passes(SLOT)
        answer = await post(app, await answers_path(mail), **fields)

    assert answer.status_code == status
    assert said in answer.json()["error"]
    assert await school.rows("cases") == {}


async def test_an_unknown_link_and_one_of_somebody_who_has_left_look_alike(
    school: School, mail: MailServer
) -> None:
    async with school.notify() as app:
        await school.time_passes(reached(WEDNESDAY))
        await school.happens(step(), partition=0)
        await school.time_passes(SLOT)
        path = await answers_path(mail)
        gone = roster(member(EHT, "eht"), pupil())
        await school.set_roster(gone.model_dump_json(by_alias=True))
        left = await post(app, path, pupil="1", answer="talked")
        unknown = await post(app, "/m/AAAAAAAAAAAAAAAAAAAAAA/answers", pupil="1", answer="talked")

    assert (left.status_code, left.json()) == (unknown.status_code, unknown.json())
    assert left.status_code == 404


async def test_to_look_at_an_answers_address_changes_nothing(
    school: School, mail: MailServer
) -> None:
    async with school.notify() as app:
        await school.time_passes(reached(WEDNESDAY))
        await school.happens(step(), partition=0)
        await school.time_passes(SLOT)
        looked = await get(app, await answers_path(mail))

    assert looked.status_code == 405
    assert await school.rows("cases") == {}


async def test_a_mailbox_that_nobody_has_any_more_is_written_to_once_and_eht_told_instead(
    school: School, mail: MailServer
) -> None:
    rows = roster(
        member(TEACHER, "contact_teacher", mobile=""),
        member(EHT, "eht", mobile=""),
        member("admin-1", "admin", mobile=""),
        pupil(),
        pupil(OTHER_PUPIL),
    )
    await school.set_roster(rows.model_dump_json(by_alias=True))
    mail.replies = ["550 5.1.1 no such mailbox"]
    async with school.notify() as app:
        await school.time_passes(reached(WEDNESDAY))
        await school.happens(step(), step(pupil=OTHER_PUPIL), partition=0)
        await school.time_passes(SLOT)
        await gone(school, 1)
        await school.time_passes(reached(date(2025, 9, 18), "15:00"))
        await until(lambda: len(mail.raw) == 2)
        await school.nothing_waits()
        link = link_in(text_of(mail)).removeprefix("https://narvara.skola.example")
        warning = await get(app, link)
        kept = await school.rows("unreachable")
        dead = await school.rows("dead-letters")

    assert mail.recipients == ["admin-1@skola.example", EHT_MAIL]
    assert "En adress till en medarbetare fungerar inte" in text_of(mail)
    assert TEACHER not in mail.decoded
    assert "Astrid Påhittad" in warning.text
    assert (len(kept), dead) == (1, {})
    assert TEACHER_MAIL not in repr(kept)


async def test_an_address_called_dead_by_hand_is_used_no_more_until_it_is_called_alive(
    school: School, mail: MailServer
) -> None:
    rows = roster(
        member(TEACHER, "contact_teacher", mobile=""), member(EHT, "eht", mobile=""), pupil()
    )
    await school.set_roster(rows.model_dump_json(by_alias=True))
    async with school.notify():
        await school.time_passes(reached(WEDNESDAY))
        await ask(school.client, address_key(f" {TEACHER_MAIL.upper()} "), Asked("dead", "bounced"))
        await gone(school, 1)
        await school.happens(step(), partition=0)
        await school.time_passes(SLOT)
        await until(lambda: len(mail.raw) == 1)
        await ask(school.client, address_key(TEACHER_MAIL), Asked("alive"))
        await gone(school, 0)
        await school.happens(step("raised", level=2, as_of=THURSDAY), partition=0)
        await school.time_passes(reached(date(2025, 9, 18), "15:00"))
        await until(lambda: len(mail.raw) == 2)

    assert mail.recipients == [EHT_MAIL, TEACHER_MAIL]


async def gone(school: School, count: int) -> None:
    async def known() -> bool:
        return len(await school.rows("unreachable")) == count

    await eventually(known)


async def test_a_delivery_report_is_counted_and_one_that_is_none_of_ours_is_not_found(
    school: School,
) -> None:
    address = report_url("/sms/reports", "0a1b2c", b"secret")
    async with school.notify() as app:
        ours = await post(app, address, id="s1", status="delivered")
        foreign = await post(app, "/sms/reports?message=0a1b2c&proof=1", status="delivered")
        figures = (await get(app, "/metrics")).text

    assert (ours.status_code, foreign.status_code) == (204, 404)
    assert 'narvara_sms_reports_total{status="delivered"}' in figures


async def test_a_second_sms_to_a_number_is_not_taken_for_the_first_that_never_got_through(
    school: School, sms: SmsGateway
) -> None:
    sms.faults = ["refuse"]
    async with school.notify():
        await school.time_passes(reached(WEDNESDAY))
        await school.happens(step(level=3), partition=0)
        await until(lambda: len(sms.forms) == 1)
        await school.happens(step(level=3, pupil=OTHER_PUPIL), partition=0)
        await until(lambda: len(sms.forms) == 2)
        await school.nothing_waits()

    assert len({form["message"] for form in sms.forms}) == 2
    (in_doubt,) = (await school.rows("attempts")).values()
    sent = await school.rows("taken")
    assert len(sent) == 2
    assert in_doubt["message"] in {row["message"] for row in sent.values()}


async def test_an_sms_that_failed_on_its_way_is_followed_by_one_mail_with_a_link(
    school: School, mail: MailServer, sms: SmsGateway
) -> None:
    async with school.notify() as app:
        await school.time_passes(reached(WEDNESDAY))
        await school.happens(step(level=3))
        await until(lambda: len(sms.forms) == 1)
        report = sms.forms[0]["whendelivered"].removeprefix("https://narvara.skola.example")
        for status in ("sent", "failed", "failed"):
            assert (await post(app, report, id="s1", status=status)).status_code == 204
        await until(lambda: len(mail.raw) == 1)
        await school.nothing_waits()
        link = link_in(text_of(mail)).removeprefix("https://narvara.skola.example")
        page = await get(app, link)

    assert mail.recipients == [EHT_MAIL]
    assert len(sms.forms) == 1
    assert "ny länk" in text_of(mail)
    assert "Hög total frånvaro" in page.text


async def test_an_sms_that_was_delivered_or_is_over_is_followed_by_nothing(
    school: School, mail: MailServer, sms: SmsGateway
) -> None:
    async with school.notify() as app:
        await school.time_passes(reached(WEDNESDAY))
        await school.happens(step(level=3), step(level=3, pupil=OTHER_PUPIL, school=SCHOOL))
        await until(lambda: len(sms.forms) == 1)
        await school.nothing_waits()
        report = sms.forms[0]["whendelivered"].removeprefix("https://narvara.skola.example")
        await post(app, report, id="s1", status="delivered")
        await post(app, report, id="s1", status="failed")
        await school.nothing_waits()

    assert mail.raw == []
    assert await school.rows("texted") == {}


async def test_beyond_the_limit_of_a_day_what_is_urgent_goes_by_mail(
    school: School, mail: MailServer, sms: SmsGateway
) -> None:
    routing = school.settings.config_dir / "routing.yaml"
    text = routing.read_text(encoding="utf-8").replace("person_day: 5", "person_day: 1")
    routing.write_text(text, encoding="utf-8")
    async with school.notify() as app:
        await school.time_passes(reached(WEDNESDAY))
        await school.happens(step(level=3))
        await until(lambda: len(sms.forms) == 1)
        await school.happens(step(level=3, pupil=OTHER_PUPIL))
        await until(lambda: len(mail.raw) == 1)
        await school.nothing_waits()
        figures = (await get(app, "/metrics")).text

    assert len(sms.forms) == 1
    assert mail.recipients == [EHT_MAIL]
    assert 'narvara_sms_limited_total{limit="person_day",sent_by="mail"}' in figures
    spent = await school.rows("spent")
    assert {row["sms"] for row in spent.values()} == {1}
