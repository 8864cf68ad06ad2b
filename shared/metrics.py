"""Every metric, in one place: this page is the reference. No label ever names a pupil."""

from prometheus_client import Counter, Gauge, Histogram

REGISTRATIONS = Counter(
    "narvara_registrations_total",
    "Registrations folded, by what became of them: accepted, duplicate (known already), "
    "superseded (a newer one was known), expired (more than 60 school days old).",
    ["outcome"],
)
DAY_OFF_LESSONS = Counter(
    "narvara_day_off_lessons_total",
    "Accepted registrations of lessons on a day that is no school day; they lie in no window.",
)
DAY_CLOSES = Counter(
    "narvara_day_closes_total",
    "Day closes met, by what became of them: judged, or ignored (not later than the newest, "
    "or no school day).",
    ["outcome"],
)
STEPS = Counter(
    "narvara_case_steps_total",
    "Case steps written, by rule, kind (opened, raised, retracted, cleared) and level.",
    ["rule", "kind", "level"],
)
NOT_ENOUGH_DATA = Counter(
    "narvara_not_enough_data_total",
    "Pupil-days on which a rule could not speak for want of data, by rule.",
    ["rule"],
)
QUARANTINED = Counter(
    "narvara_quarantined_total",
    "What was refused and kept with its reason, by where it was met: import or stream.",
    ["where"],
)
FOLD_SECONDS = Histogram(
    "narvara_fold_seconds",
    "Seconds of folding per batch of stream entries.",
    buckets=(0.001, 0.005, 0.02, 0.1, 0.5, 2, 10),
)
CHECKPOINT_SECONDS = Histogram(
    "narvara_checkpoint_seconds",
    "Seconds of writing changed pupils and moving the checkpoint.",
    buckets=(0.001, 0.005, 0.02, 0.1, 0.5, 2, 10),
)
PARTITIONS_OWNED = Gauge("narvara_partitions_owned", "Partitions whose lease this process holds.")
PUPILS = Gauge("narvara_pupils", "Pupils held in memory.")
RULEBOOK_INFO = Gauge(
    "narvara_rulebook_info",
    "1 for the newest rulebook this process knows, by version.",
    ["version"],
)
CONFIG_RELOAD_OK = Gauge(
    "narvara_config_last_reload_successful",
    "1 when the newest content of a config file is in use, 0 when the last good one is kept.",
    ["file"],
)
SCHOOL_TIME = Gauge(
    "narvara_school_time_seconds", "School time last sent into the streams, as a Unix time."
)
CLOSES_SENT = Counter("narvara_day_closes_sent_total", "Day closes put into the streams.")
MESSAGES = Counter(
    "narvara_messages_total",
    "Tries by channel and outcome: sent, retried (a transient failure), refused (for good; the "
    "next channel follows) or dead (given up).",
    ["channel", "outcome"],
)
PURGED = Counter(
    "narvara_purged_rows_total",
    "Rows that had been kept long enough, by table: taken away by the purge.",
    ["table"],
)
OLDEST_ROW = Gauge(
    "narvara_oldest_row_days",
    "Age of the oldest row of a table when it was last looked through, in days of school time.",
    ["table"],
)
LOOK_SECONDS = Histogram(
    "narvara_pupil_look_seconds",
    "Seconds that the rules service takes to show one pupil to a page, when not remembered.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1),
)
SMS_LIMITED = Counter(
    "narvara_sms_limited_total",
    "SMS beyond a limit (person_day or school_month), by how they went: mail, or sms all the same.",
    ["limit", "sent_by"],
)
SMS_COST = Counter(
    "narvara_sms_cost_total",
    "What SMS have cost, as the gateway told when it took them, in the currency of its account.",
)
SMS_REPORTS = Counter(
    "narvara_sms_reports_total",
    "Delivery reports: sent (with the carrier), delivered (on the phone), failed.",
    ["status"],
)
STEPS_ROUTED = Counter(
    "narvara_steps_routed_total",
    "Findings put into a message, by how: immediate, digest, or fallback (the audience could not "
    "be reached: EHT stands in).",
    ["decision"],
)
ANSWERS = Counter("narvara_answers_total", "Answers to signals, by what was answered.", ["answer"])
OUTBOX = Gauge("narvara_outbox_messages", "Messages that wait for sending or for a retry.")
BRAKE = Gauge(
    "narvara_messages_braked",
    "1 while all messages are held, since far more than usual were to leave in an hour.",
)
DEAD_LETTERS = Gauge("narvara_dead_letters", "Messages given up and kept for replay.")
