"""How each indicator is worded in Swedish and in English.

A wording is a clause without capital and full stop. In braces: `n` the number as its kind of
amount is written (`{n:lektion|lektioner}`: with the word that goes with it), `window` the days,
`edges` them too where they are not all days (`window` is left out when the sentence before has
told it), `days` and `before` their number and that of the days before them, `share`, `level`; in
`quiet` also `bound`, such as "under 16 %".
"""

from decimal import Decimal

from services.rules.language import Amount, Language, Phrases

_HALF = Decimal("0.5")

_C, _S = Amount.COUNT, Amount.SHARE

_SWEDISH_PHRASES = {
    "absence_share all": Phrases(_S, "frånvaron {window}", "borta {n} av lektionstiden {window}"),
    "absence_share excused": Phrases(
        _S, "den giltiga frånvaron {window}", "giltigt frånvarande {n} av lektionstiden {window}"
    ),
    "absence_share unexcused": Phrases(
        _S, "den ogiltiga frånvaron {window}", "ogiltigt frånvarande {n} av lektionstiden {window}"
    ),
    "scattered_share": Phrases(
        _S,
        "den spridda frånvaron {window}",
        "borta {n} av lektionstiden {window}, den längsta sammanhängande giltiga frånvaron "
        "borträknad",
    ),
    "unexcused_lessons": Phrases(
        _C,
        "antalet ogiltiga lektioner {window}",
        "{n:ogiltig lektion|ogiltiga lektioner} {window}",
    ),
    "unexcused_days": Phrases(
        _C,
        "antalet dagar med ogiltig frånvaro {window}",
        "ogiltig frånvaro på {n:dag|dagar} {window}",
        zero="ingen dag med ogiltig frånvaro {window}",
    ),
    "absent_run": Phrases(
        _C,
        "antalet hela frånvarodagar i rad",
        "{n:hel frånvarodag|hela frånvarodagar i rad}",
    ),
    "lates": Phrases(
        _C, "antalet sena ankomster {window}", "{n:sen ankomst|sena ankomster} {window}"
    ),
    "spells": Phrases(
        _C,
        "antalet frånvarotillfällen {window}",
        "{n:frånvarotillfälle|frånvarotillfällen} på en hel dag eller mer {window}",
    ),
    "spell_days": Phrases(
        _C,
        "antalet hela frånvarodagar i tillfällen som börjat {window}",
        "{n:hel frånvarodag|hela frånvarodagar} i tillfällen som börjat {window}",
    ),
    "bradford": Phrases(
        _C,
        "poängen för korta frånvarotillfällen {window}",
        "korta frånvarotillfällen {window} ger {n} poäng",
        zero="inga korta frånvarotillfällen {window}",
    ),
    "weekday_hits": Phrases(
        _C,
        "antalet dagar på samma veckodag med minst halva dagen borta {window}",
        "borta minst halva dagen {n:gång|gånger} på samma veckodag {window}",
        zero="ingen dag med minst halva dagen borta {window}",
    ),
    "weekday_share": Phrases(
        _S,
        "andelen frånvarodagar som faller på samma veckodag {window}",
        "{n} av dagarna med minst halva dagen borta {window} föll på samma veckodag",
    ),
    "weekday_tail": Phrases(
        Amount.CHANCE,
        "frånvaron på en och samma veckodag {window}",
        "så mycket frånvaro på en och samma veckodag {window} skulle ske av en slump "
        "i {n} fall av 100",
        quiet="så mycket frånvaro på en och samma veckodag {window} skulle ske av en slump "
        "i {bound} fall av 100",
    ),
    "edge_hits": Phrases(
        _C,
        "antalet dagar med minst halva dagen borta {edges} intill helg eller lov",
        "borta minst halva dagen {n:gång|gånger} {edges} intill helg eller lov",
        zero="ingen dag med minst halva dagen borta {edges} intill helg eller lov",
    ),
    "edge_ratio": Phrases(
        Amount.TIMES,
        "skillnaden mellan dagar intill helg eller lov och andra dagar",
        "att vara borta minst halva dagen är {n} vanligt intill helg eller lov som andra dagar",
        zero="ingen dag med minst halva dagen borta intill helg eller lov",
        alone="borta minst halva dagen bara intill helg eller lov, aldrig annars",
        quiet="att vara borta minst halva dagen är {bound} vanligt intill helg eller lov "
        "som andra dagar",
    ),
    "subject_missed": Phrases(
        _C,
        "antalet missade lektioner i ett och samma ämne {window}",
        "{n:missad lektion|missade lektioner} i ett och samma ämne {window}",
    ),
    "subject_share": Phrases(
        _S,
        "andelen missade lektioner i ett och samma ämne {window}",
        "missat {n} av lektionerna i det ämnet {window}",
    ),
    "subject_ratio": Phrases(
        Amount.TIMES,
        "skillnaden mellan ett ämne och de andra {window}",
        "lektionerna i det ämnet missas {n} ofta som de i andra ämnen {window}",
        zero="inga missade lektioner i det ämnet {window}",
        alone="lektioner missas i det ämnet och aldrig i andra ämnen {window}",
        quiet="lektionerna i ett ämne missas {bound} ofta som de i andra ämnen {window}",
    ),
    "internal_truancy_days": Phrases(
        _C,
        "antalet dagar med ogiltig frånvaro från en lektion mellan två andra {window}",
        "ogiltigt borta från en lektion mellan två andra på {n:dag|dagar} {window}",
        zero="ingen dag med ogiltig frånvaro från en lektion mellan två andra {window}",
    ),
    "first_last_misses first": Phrases(
        _C,
        "antalet dagar med frånvaro eller sen ankomst på dagens första lektion {window}",
        "borta eller sen på dagens första lektion {n:dag|dagar} {window}",
        zero="aldrig borta eller sen på dagens första lektion {window}",
    ),
    "first_last_misses last": Phrases(
        _C,
        "antalet dagar med frånvaro eller sen ankomst på dagens sista lektion {window}",
        "borta eller sen på dagens sista lektion {n:dag|dagar} {window}",
        zero="aldrig borta eller sen på dagens sista lektion {window}",
    ),
    "rise": Phrases(
        Amount.POINTS,
        "ökningen av frånvaron {window}",
        "frånvaron {window} är {n} högre än under de {before} skoldagarna före dem",
        zero="frånvaron {window} är lika hög som under de {before} skoldagarna före dem",
        fallen="frånvaron {window} är {n} lägre än under de {before} skoldagarna före dem",
    ),
    "rise_ratio": Phrases(
        Amount.TIMES,
        "ökningen av frånvaron {window}",
        "frånvaron {window} är {n} hög som under de {before} skoldagarna före dem",
        zero="ingen frånvaro {window}",
        alone="ingen frånvaro alls under de {before} skoldagarna före de senaste {days}",
        quiet="frånvaron {window} är {bound} hög som under de {before} skoldagarna före dem",
    ),
    "term_start_days": Phrases(
        _C,
        "antalet hela frånvarodagar under terminens {days} första skoldagar",
        "{n:hel frånvarodag|hela frånvarodagar} under terminens {days} första skoldagar",
        zero="inga hela frånvarodagar att räkna under terminens {days} första skoldagar",
    ),
    "persistent_blocks": Phrases(
        _C,
        "antalet perioder i rad om {days} skoldagar med minst {share} frånvaro",
        "{n:period|perioder i rad} om {days} skoldagar med minst {share} frånvaro",
        zero="ingen period om {days} skoldagar med minst {share} frånvaro",
    ),
    "quarter_days": Phrases(
        _C,
        "antalet dagar med minst en fjärdedel av dagen borta {window}",
        "borta minst en fjärdedel av dagen {n:dag|dagar} {window}",
        zero="ingen dag med minst en fjärdedel av dagen borta {window}",
    ),
    "leave_days": Phrases(
        _C,
        "antalet hela dagar med beviljad ledighet {window}",
        "{n:hel dag|hela dagar} med beviljad ledighet {window}",
    ),
    "return": Phrases(
        _C,
        "antalet hela frånvarodagar i rad före en återkomst",
        "tillbaka efter {n:hel frånvarodag|hela frånvarodagar i rad}",
        zero="ingen återkomst efter hela frånvarodagar",
    ),
    "findings": Phrases(
        _C,
        "antalet signaler{level} {window}",
        "{n:signal|signaler}{level} {window}",
    ),
    "relapse": Phrases(
        _S,
        "frånvaron {window} efter en avslutad signal",
        "borta {n} av lektionstiden {window} efter att en signal avslutats",
        zero="inget återfall",
    ),
    "improvement": Phrases(
        Amount.TIMES,
        "förändringen av frånvaron sedan signalen öppnades",
        "frånvaron {window} är {n} hög som när signalen öppnades",
        zero="ingen frånvaro {window}",
        alone="frånvaron {window} är mycket högre än när signalen öppnades",
        quiet="frånvaron {window} är {bound} hög som när signalen öppnades",
    ),
    "unanswered": Phrases(
        _C,
        "antalet skoldagar utan svar på en signal",
        "ingen har svarat på {n:skoldag|skoldagar}",
        zero="ingen signal väntar på svar",
    ),
    "class_newly_absent": Phrases(
        _S,
        "andelen elever i klassen som blivit borta sedan skoldagen före",
        "{n} av eleverna i klassen är borta hela dagen men var det inte skoldagen före",
        zero="ingen i klassen har blivit borta sedan skoldagen före",
    ),
    "class_newly_absent_ratio": Phrases(
        Amount.TIMES,
        "jämförelsen med en vanlig dag i klassen",
        "{n} många har blivit borta som en vanlig dag i klassen, räknat på {days} skoldagar",
        zero="ingen i klassen har blivit borta sedan skoldagen före",
        alone="en vanlig dag blir ingen i klassen borta, räknat på {days} skoldagar",
        quiet="{bound} många blir borta som en vanlig dag i klassen",
    ),
    "unregistered_lessons": Phrases(
        _C,
        "antalet registreringar som saknas {window}",
        "{n:registrering|registreringar} saknas {window}",
        zero="inga registreringar saknas {window}",
    ),
    "registered_share": Phrases(
        _S, "andelen registrerade lektioner {window}", "{n} av lektionerna {window} är registrerade"
    ),
}

_ENGLISH_PHRASES = {
    "absence_share all": Phrases(_S, "absence {window}", "away {n} of lesson time {window}"),
    "absence_share excused": Phrases(
        _S, "excused absence {window}", "excused from {n} of lesson time {window}"
    ),
    "absence_share unexcused": Phrases(
        _S,
        "unexcused absence {window}",
        "away without a valid reason {n} of lesson time {window}",
    ),
    "scattered_share": Phrases(
        _S,
        "scattered absence {window}",
        "away {n} of lesson time {window}, the longest unbroken excused absence left out",
    ),
    "unexcused_lessons": Phrases(
        _C,
        "the number of unexcused lessons {window}",
        "{n:unexcused lesson|unexcused lessons} {window}",
    ),
    "unexcused_days": Phrases(
        _C,
        "the number of days with unexcused absence {window}",
        "unexcused absence on {n:day|days} {window}",
    ),
    "absent_run": Phrases(
        _C,
        "the number of whole days of absence in a row",
        "{n:whole day of absence|whole days of absence in a row}",
    ),
    "lates": Phrases(
        _C,
        "the number of late arrivals {window}",
        "{n:late arrival|late arrivals} {window}",
    ),
    "spells": Phrases(
        _C,
        "the number of spells of absence {window}",
        "{n:spell|spells} of absence of a whole day or more {window}",
    ),
    "spell_days": Phrases(
        _C,
        "the number of whole days of absence in spells that began {window}",
        "{n:whole day|whole days} of absence in spells that began {window}",
    ),
    "bradford": Phrases(
        _C,
        "the score of short spells of absence {window}",
        "short spells of absence {window} give a score of {n}",
        zero="no short spells of absence {window}",
    ),
    "weekday_hits": Phrases(
        _C,
        "the number of days on the same weekday with half the day or more missed {window}",
        "away half the day or more {n:time|times} on the same weekday {window}",
        zero="no day with half of it or more missed {window}",
    ),
    "weekday_share": Phrases(
        _S,
        "the share of days of absence that fall on the same weekday {window}",
        "{n} of the days with half the day or more missed {window} fell on the same weekday",
    ),
    "weekday_tail": Phrases(
        Amount.CHANCE,
        "absence on one and the same weekday {window}",
        "so much absence on one and the same weekday {window} would happen by chance "
        "in {n} cases of 100",
        quiet="so much absence on one and the same weekday {window} would happen by chance "
        "in {bound} cases of 100",
    ),
    "edge_hits": Phrases(
        _C,
        "the number of days with half the day or more missed {edges} next to a weekend or break",
        "away half the day or more {n:time|times} {edges} next to a weekend or break",
        zero="no day with half of it or more missed {edges} next to a weekend or break",
    ),
    "edge_ratio": Phrases(
        Amount.TIMES,
        "the difference between days next to a weekend or break and other days",
        "being away half the day or more is {n} common next to a weekend or break as on other days",
        zero="no day with half of it or more missed next to a weekend or break",
        alone="away half the day or more only next to a weekend or break, never otherwise",
        quiet="being away half the day or more is {bound} common next to a weekend or break "
        "as on other days",
    ),
    "subject_missed": Phrases(
        _C,
        "the number of missed lessons in one and the same subject {window}",
        "{n:missed lesson|missed lessons} in one and the same subject {window}",
    ),
    "subject_share": Phrases(
        _S,
        "the share of missed lessons in one and the same subject {window}",
        "missed {n} of the lessons in that subject {window}",
    ),
    "subject_ratio": Phrases(
        Amount.TIMES,
        "the difference between one subject and the others {window}",
        "lessons in that subject are missed {n} often as those in other subjects {window}",
        zero="no missed lessons in that subject {window}",
        alone="lessons are missed in that subject and never in others {window}",
        quiet="lessons in one subject are missed {bound} often as those in other subjects {window}",
    ),
    "internal_truancy_days": Phrases(
        _C,
        "the number of days with unexcused absence from a lesson between two others {window}",
        "away without a valid reason from a lesson between two others on {n:day|days} {window}",
    ),
    "first_last_misses first": Phrases(
        _C,
        "the number of days with absence or late arrival at the first lesson of the day {window}",
        "away or late at the first lesson of the day on {n:day|days} {window}",
    ),
    "first_last_misses last": Phrases(
        _C,
        "the number of days with absence or late arrival at the last lesson of the day {window}",
        "away or late at the last lesson of the day on {n:day|days} {window}",
    ),
    "rise": Phrases(
        Amount.POINTS,
        "the rise of absence {window}",
        "absence {window} is {n} higher than over the {before} school days before them",
        zero="absence {window} is as high as over the {before} school days before them",
        fallen="absence {window} is {n} lower than over the {before} school days before them",
    ),
    "rise_ratio": Phrases(
        Amount.TIMES,
        "the rise of absence {window}",
        "absence {window} is {n} high as over the {before} school days before them",
        zero="no absence {window}",
        alone="no absence at all over the {before} school days before the last {days}",
        quiet="absence {window} is {bound} high as over the {before} school days before them",
    ),
    "term_start_days": Phrases(
        _C,
        "the number of whole days of absence on the first {days} school days of term",
        "{n:whole day|whole days} of absence on the first {days} school days of term",
        zero="no whole days of absence to count on the first {days} school days of term",
    ),
    "persistent_blocks": Phrases(
        _C,
        "the number of periods in a row of {days} school days with {share} absence or more",
        "{n:period|periods in a row} of {days} school days with {share} absence or more",
    ),
    "quarter_days": Phrases(
        _C,
        "the number of days with a quarter of the day or more missed {window}",
        "away a quarter of the day or more on {n:day|days} {window}",
    ),
    "leave_days": Phrases(
        _C,
        "the number of whole days of granted leave {window}",
        "{n:whole day|whole days} of granted leave {window}",
    ),
    "return": Phrases(
        _C,
        "the number of whole days of absence in a row before a return",
        "back after {n:whole day of absence|whole days of absence in a row}",
        zero="no return after whole days of absence",
    ),
    "findings": Phrases(
        _C,
        "the number of signals{level} {window}",
        "{n:signal|signals}{level} {window}",
    ),
    "relapse": Phrases(
        _S,
        "absence {window} after a signal has ended",
        "away {n} of lesson time {window} after a signal had ended",
        zero="no relapse",
    ),
    "improvement": Phrases(
        Amount.TIMES,
        "the change in absence since the signal opened",
        "absence {window} is {n} high as when the signal opened",
        zero="no absence {window}",
        alone="absence {window} is much higher than when the signal opened",
        quiet="absence {window} is {bound} high as when the signal opened",
    ),
    "unanswered": Phrases(
        _C,
        "the number of school days without an answer to a signal",
        "nobody has answered for {n:school day|school days}",
        zero="no signal waits for an answer",
    ),
    "class_newly_absent": Phrases(
        _S,
        "the share of pupils in the class who are away since the school day before",
        "{n} of the pupils in the class are away all day but were not the school day before",
        zero="nobody in the class is away who was not the school day before",
    ),
    "class_newly_absent_ratio": Phrases(
        Amount.TIMES,
        "the comparison with a usual day in the class",
        "{n} many are newly away as on a usual day in the class, counted over {days} school days",
        zero="nobody in the class is away who was not the school day before",
        alone="on a usual day nobody in the class is newly away, counted over {days} school days",
        quiet="{bound} many are newly away as on a usual day in the class",
    ),
    "unregistered_lessons": Phrases(
        _C,
        "the number of registrations missing {window}",
        "{n:registration|registrations} missing {window}",
    ),
    "registered_share": Phrases(
        _S,
        "the share of registered lessons {window}",
        "{n} of the lessons {window} are registered",
    ),
}

LANGUAGES = {
    "sv": Language(
        decimal_sign=",",
        percent_sign="{} %",
        numerals=(
            *("en", "två", "tre", "fyra", "fem", "sex"),
            *("sju", "åtta", "nio", "tio", "elva", "tolv"),
        ),
        no="inga",
        times={_HALF: "hälften så", Decimal(1): "lika", Decimal(2): "dubbelt så"},
        times_so="{} gånger så",
        once_so="en gång så",
        bare={_HALF: "hälften", Decimal(1): "lika mycket"},
        times_bare="{} gånger",
        points="{} procentenheter",
        of_hundred="{} av 100",
        at_most="högst {}",
        at_least="minst {}",
        less="mindre än",
        more="mer än",
        under_="under",
        over_="över",
        zero="noll",
        nothing={
            Amount.COUNT: "inget att räkna",
            Amount.SHARE: "för lite att räkna på",
            Amount.POINTS: "för lite att jämföra med",
            Amount.TIMES: "för lite att jämföra med",
            Amount.CHANCE: "för lite att jämföra med",
        },
        windows={"term": "hittills den här terminen", "year": "hittills det här läsåret"},
        last_day="den senaste skoldagen",
        last_days="de senaste {} skoldagarna",
        one_day="en skoldag",
        days_in_a_row="{} skoldagar i rad",
        limit_is="gränsen är {}",
        is_="är",
        counted_over="räknat på {}",
        ends="signalen avslutas efter {days} då{when}",
        either="antingen",
        both="både",
        or_="eller",
        and_="och",
        all_registered="alla lektioner{window} är registrerade",
        some_registered="{n} av lektionerna{window} är registrerade",
        at_level=" på nivå {} eller högre",
        phrases=_SWEDISH_PHRASES,
    ),
    "en": Language(
        decimal_sign=".",
        percent_sign="{} %",
        numerals=(
            *("one", "two", "three", "four", "five", "six"),
            *("seven", "eight", "nine", "ten", "eleven", "twelve"),
        ),
        no="no",
        times={_HALF: "half as", Decimal(1): "as", Decimal(2): "twice as"},
        times_so="{} times as",
        once_so="once as",
        bare={_HALF: "half", Decimal(1): "as much"},
        times_bare="{} times",
        points="{} percentage points",
        of_hundred="{} of 100",
        at_most="at most {}",
        at_least="at least {}",
        less="less than",
        more="more than",
        under_="below",
        over_="above",
        zero="zero",
        nothing={
            Amount.COUNT: "nothing to count",
            Amount.SHARE: "too little to measure",
            Amount.POINTS: "too little to compare with",
            Amount.TIMES: "too little to compare with",
            Amount.CHANCE: "too little to compare with",
        },
        windows={"term": "so far this term", "year": "so far this school year"},
        last_day="on the last school day",
        last_days="over the last {} school days",
        one_day="a school day",
        days_in_a_row="{} school days in a row",
        limit_is="the limit is {}",
        is_="is",
        counted_over="{}",
        ends="the signal ends after {days} on which{when}",
        either="either",
        both="both",
        or_="or",
        and_="and",
        all_registered="all lessons{window} are registered",
        some_registered="{n} of the lessons{window} are registered",
        at_level=" at level {} or higher",
        phrases=_ENGLISH_PHRASES,
    ),
}
