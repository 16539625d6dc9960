"""What guides append to titles: episodes, years and subtitles. Entries listed twice are drawn twice as often."""

from collections.abc import Iterable

from titleclf.epg.decorations import Family
from titleclf.runtime.text.languages import LANGUAGES, words

_RARE = ("sv", "da", "no", "pl")  # drawn as if they were one language, and never for an "and"
_COMMON = tuple(code for code in LANGUAGES if code not in _RARE)
ANDS = words("ands", *_COMMON)

# {0} is the season, {1} the episode, {2} the number of episodes.
_CODES = (
    *("S{0:02}E{1:02}", "S{0:02}E{1:02}", "S{0}E{1}", "S{0} E{1}", "S{0} Ep{1}", "S{0} Ep.{1}", "S{0} Ep. {1}"),
    *("S{0:02} E{1:02}", "S{0}:E{1}", "S{0}, E{1}", "S{0}.E{1}", "S{0:02}EP{1:02}", "S{0:02}.E{1:02}", "S{0}/E{1}"),
    *("{0}x{1:02}", "{0:02}x{1:02}", "{0}x{1}", "T{0} E{1}", "T{0}:E{1}", "T{0}E{1:02}", "T{0}xE{1}", "T{0:02}E{1:02}"),
    *("{0}.{1}", "{0}/{1}", "S{0}", "S{0:02}", "T{0}", "E{1}", "E{1:02}", "EP{1}", "Ep{1:02}"),
)
_COUNTS = (
    *("({1})", "({1})", "({1}/{2})", "({1}/{2})", *(f"({{1}} {of} {{2}})" for of in words("of"))),
    *("{1}/{2}", "{1} of {2}", "#{1}", "No. {1}", "Nr. {1}", "N°{1}", "{1}", "({1}.)", "[{1}]"),
    *("{1}. Teil", "{1}. Folge", "({1}ª parte)", "{1}ª puntata", "Part {1} of {2}", "Teil {1}/{2}"),
    *("Folge {1} von {2}", "Episode {1} of {2}", "Épisode {1}/{2}", "{1}ème partie", "Capítulo {1} de {2}"),
)


def _numbered(texts: Iterable[str], number: str) -> list[str]:
    short = [f"{text}{number}" for text in texts if text.endswith(".") or len(text) == 1]
    return [*short, *(f"{text} {number}" for text in texts)]


def _spelled_out() -> Family:
    forms: list[str] = []
    links = (" ", " ", " ", ", ", ", ", " - ", ": ", "/")
    for codes in (*((code,) for code in _COMMON), _RARE):
        seasons, episodes = _numbered(words("season", *codes), "{0}"), _numbered(words("episode", *codes), "{1}")
        both = [season + link + episode for season in seasons for episode in episodes for link in links]
        forms += [*both, *seasons * 10, *episodes * 10]
    return (*forms, *forms, *forms, *map(str.lower, forms), *map(str.upper, forms))


EPISODES: tuple[Family, ...] = ((*_CODES, *map(str.lower, _CODES)), _COUNTS, _spelled_out())
EPISODE_SUFFIXES = (
    *(" {}", " {}", " {}", " ({})", " ({})", " [{}]", ", {}", ", {}", " - {}", " - {}", ": {}", " – {}", " | {}"),
    *("/{}", "; {}"),
)

# {0} is the year, {1} the next one, {2} the next one in two digits.
YEARS = (
    *(" ({0})", " ({0})", " ({0})", " ({0})", " {0}", " {0}", " [{0}]", ", {0}", " - {0}", " {{{0}}}", " | {0}"),
    *(".{0}", " ({0}/{2:02})", " {0}/{2:02}", " {0}/{1}", " {0}-{1}", " ({0}–{1})", " ({0}-)", " (c) {0}"),
    *(
        f" ({country}{link}{{0}})"
        for country in ("USA", "GB", "D", "F", "I", "E", "BR", "USA/GB")
        for link in (" ", ", ")
    ),
)

# Scenes that any programme could have: a subtitle must not give the category away.
_SCENES = {
    ("The", "of"): "Beginning,Return,Reunion,Secret,Decision,Visit,Letter,Promise,Gift,Journey,Plan,Choice,Test,Trap",
    ("A", "for"): "New Start,Long Night,Second Chance,Perfect Day,Big Surprise,Bad Idea,Way Out,Good Reason",
    ("Der", "von"): "Anfang,Besuch,Plan,Brief,Verdacht,Abschied,letzte Tag,Umzug,Streit,neue Nachbar,große Tag",
    ("Die", "von"): "Rückkehr,Entscheidung,Reise,Wahrheit,Nacht,Einladung,Überraschung,Prüfung,Falle,Wette",
    ("Das", "von"): "Geheimnis,Geschenk,Ende,Versprechen,Fest,Haus am See,Wiedersehen,Angebot,neue Leben",
    ("Le", "de"): "retour,secret,début,choix,cadeau,grand jour,voyage,dernier jour,départ,piège,rendez-vous,pari",
    ("La", "de"): "décision,lettre,promesse,rencontre,fuite,nuit,vuelta,carta,noche,boda,decisión,sorpresa",
    ("El", "de"): "regreso,secreto,plan,viaje,principio,encuentro,regalo,último día,gran día,desconocido,reto",
    ("Il", "di"): "ritorno,segreto,viaggio,regalo,piano,grande giorno,patto,dubbio,primo giorno,mistero",
    ("O", "de"): "regresso,segredo,começo,plano,presente,encontro,fim,grande dia,último dia,convite,desafio",
    ("De", "van"): "terugkeer,beslissing,brief,reis,belofte,vreemdeling,verrassing,laatste dag,keuze",
    ("Het", "van"): "geheim,begin,einde,cadeau,plan,bezoek,feest,grote moment,afscheid,huis",
}
_NAMES = (
    *("Anna", "Tom", "Marie", "Paul", "Lucas", "Sofia", "Carlos", "Giulia", "Jan", "Emma", "Max", "Clara", "Hugo"),
    *("Laura", "Peter", "Inés", "João", "Chloé", "Ben", "Lena", "Marco", "Alice", "Daan", "Nora", "Mr Brown", "Jürgen"),
)
_PLACES = (
    *("London", "Berlin", "Paris", "Madrid", "Rome", "Lisbon", "Amsterdam", "New York", "Wien", "Brüssel", "Palermo"),
    *("Avignon", "Granada", "Coimbra", "Hamburg", "Dublin", "Chicago", "Bristol", "Texas", "Sachsen", "Bretagne"),
)
_PARTS = (
    *("Episode One", "Part One", "Part Two", "Chapter Three", "Pilot", "The Pilot", "Day 1", "Day Three", "Week 4"),
    *("Teil eins", "Erster Teil", "Zweiter Teil", "Pilotfilm", "Tag 2", "Première partie", "Deuxième partie"),
    *("Pilote", "Jour 2", "Primera parte", "Segunda parte", "Capítulo uno", "Día 3", "Prima parte", "Seconda parte"),
    *("Primo episodio", "Primeira parte", "Segunda parte", "Deel een", "Eerste deel", "Dag 4", "Home", "Lost", "Alone"),
    *("Monday", "Freitag", "dimanche", "sábado", "domenica", "Zondag", "12 May", "3. Oktober", "21 avril", "12.05."),
)
_BETWEEN_NAMES = (f" {ANDS[0]} ", " & ", *(f" {word} " for word in ANDS[1:]))
_FROM = ("In {}", "{}", "{}, Part 2", "From {}", "Aus {}", "À {}", "En {}", "Da {}", "Back in {}", "{} (1)")
SUBTITLES: tuple[Family, ...] = (
    tuple(f"{article} {scene}" for (article, _), scenes in _SCENES.items() for scene in scenes.split(",")),
    tuple(
        f"{article} {scene} {of} {name}"
        for (article, of), scenes in _SCENES.items()
        for scene in scenes.split(",")
        for name in _NAMES
    ),
    (
        *_NAMES * 20,
        *(first + link + second for first in _NAMES for second in _NAMES if first != second for link in _BETWEEN_NAMES),
    ),
    tuple(form.format(place) for place in _PLACES for form in _FROM),
    _PARTS,
)
SUBTITLE_LINKS = (": ", ": ", ": ", ": ", " - ", " - ", " - ", " – ", " – ", ". ", " — ", ", ", " | ", " / ", "; ", " ")
