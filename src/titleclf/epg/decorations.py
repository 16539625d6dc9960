"""What guides write around a title: marks, episodes, years and subtitles, put together from words and styles.

What stands twice is twice as frequent.
"""

from collections.abc import Iterable

Family = tuple[str, ...]  # a family is drawn first, then one of it: few words are not drowned by many

_NEW = (
    *("New", "All New", "Brand New", "New Episode", "New Series", "Premiere", "Season Premiere", "Finale", "Neu"),
    *("Neue Folge", "TV-Premiere", "Erstausstrahlung", "Nouveau", "Nouveauté", "Inédit", "Première", "Nuevo", "Nueva"),
    *("Estreno", "Nuovo", "Prima TV", "Prima visione", "Novo", "Nova", "Estreia", "Novidade", "Nieuw", "Nytt", "Ny"),
)
_LIVE = (
    *("Live", "Live", "Live", "Live!", "En direct", "Direct", "En vivo", "En directo", "Directo", "Diretta"),
    *("In diretta", "Ao vivo", "Em direto", "Direto", "Rechtstreeks", "Direkt", "Na żywo", "On Air"),
)
_REPEAT = (
    *("R", "R", "Rpt", "Rpt.", "Repeat", "Wh.", "Wh", "Wdh.", "W", "Wiederholung", "Rediffusion", "Redif.", "Rediff"),
    *("Repetición", "Rep", "Rep.", "Replica", "Repetição", "Reprise", "Herhaling", "Herh.", "Repris", "Powtórka"),
)
_QUALITY = ("HD", "HD", "UHD", "4K", "Full HD", "HDTV", "3D", "SD", "HDR", "Dolby", "Dolby 5.1", "Stereo", "16:9")
_SOUND = (
    *("OmU", "OV", "OmeU", "VO", "VF", "VM", "VOST", "VOSTFR", "VOSE", "V.O.", "S", "AD", "AD,S", "S,AD", "S,SL"),
    *("SL", "ST", "Sub", "Subs", "Subtitled", "Signed", "UT", "Untertitel", "Hörfilm", "CC", "Dual", "Legendado"),
    *("Dublado", "Sottotitoli", "Sous-titré", "Audio Described", "Audiodeskription", "Subtitulado", "T", "TT"),
)
_AGE = (
    *(form.format(age) for age in (0, 6, 7, 10, 12, 14, 15, 16, 18) for form in ("{}", "{}+", "+{}", "-{}", "FSK {}")),
    *("PG", "PG-13", "TV-PG", "TV-14", "TV-MA", "TV-Y7", "TV-G", "U", "G", "VM14", "VM18", "M/12", "M/16", "R18", "R1"),
    *("ab 12", "ab 16", "AL", "L", "12A", "NR", "12 ans", "16 anni", "13 años", "14 anos"),
)
_SYMBOLS = ("*", "**", "★", "●", "•", "♦", "■", "»", "►", "+", "#", "!", "🆕", "🔴", "⭐", "°", "^", "~")

_BRACKETS = (*["({})"] * 5, *["[{}]"] * 3, "{{{}}}", "<{}>", "*{}*", "|{}|", "-{}-", "«{}»")
_LINKS_BEFORE = (": ", ": ", ": ", " - ", " - ", " ", " ", " – ", " | ", ":", "! ", " / ", ". ", "... ")
_LINKS_AFTER = (" ", " ", " ", " - ", ", ", " | ", " – ", ": ", " / ", "-", "_")
_SUPERSCRIPT = str.maketrans(
    "ABCDEFGHIJKLMNOPRSTUVWXYZabcdefghijklmnoprstuvwxyz0123456789",
    "ᴬᴮᶜᴰᴱᶠᴳᴴᴵᴶᴷᴸᴹᴺᴼᴾᴿˢᵀᵁⱽᵂˣʸᶻᵃᵇᶜᵈᵉᶠᵍʰᶦʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ⁰¹²³⁴⁵⁶⁷⁸⁹",
)
_RAISED = tuple(
    word.translate(_SUPERSCRIPT)
    for base in ("New", "Live", "HD", "UHD", "4K", "Neu", "Repeat", "R", "Ad", "Vip", "Sub", "Fhd")
    for word in (base, base.upper(), f"({base.upper()})")
)


def _cased(words: Iterable[str]) -> list[str]:
    return [form for word in words for form in (word, word, word.upper(), word.lower())]


def _before(words: Iterable[str]) -> Family:
    linked = [word + link for word in _cased(words) for link in _LINKS_BEFORE]
    return (*linked, *(f"{bracket.format(word)} " for word in _cased(words) for bracket in _BRACKETS))


def _after(words: Iterable[str]) -> Family:
    linked = [link + word for word in _cased(words) for link in _LINKS_AFTER]
    bracketed = [f" {bracket.format(word)}" for word in _cased(words) for bracket in _BRACKETS]
    return (*linked, *bracketed, *bracketed)


# "Movie: Heat" is not among them: there the mark tells the genre, and a model must believe it.
BEFORE: tuple[Family, ...] = (
    *(_before(_NEW), _before(_NEW), _before(_LIVE), _before(_LIVE), _before(_QUALITY)),
    tuple(f"{word} " for word in (*_SYMBOLS, *_RAISED)),
)
AFTER: tuple[Family, ...] = (
    *(_after(_NEW), _after(_LIVE), _after(_REPEAT), _after(_QUALITY), _after(_SOUND), _after(_AGE)),
    tuple(link + word for word in (*_SYMBOLS, *_RAISED) for link in (" ", " ", "")),
)

# {0} is the season, {1} the episode, {2} how many there are.
_CODES = (
    *("S{0:02}E{1:02}", "S{0:02}E{1:02}", "S{0}E{1}", "S{0} E{1}", "S{0} Ep{1}", "S{0} Ep.{1}", "S{0} Ep. {1}"),
    *("S{0:02} E{1:02}", "S{0}:E{1}", "S{0}, E{1}", "S{0}.E{1}", "S{0:02}EP{1:02}", "S{0:02}.E{1:02}", "S{0}/E{1}"),
    *("{0}x{1:02}", "{0:02}x{1:02}", "{0}x{1}", "T{0} E{1}", "T{0}:E{1}", "T{0}E{1:02}", "T{0}xE{1}", "T{0:02}E{1:02}"),
    *("{0}.{1}", "{0}/{1}", "S{0}", "S{0:02}", "T{0}", "E{1}", "E{1:02}", "EP{1}", "Ep{1:02}"),
)
_COUNTS = (
    *("({1})", "({1})", "({1}/{2})", "({1}/{2})", "({1} of {2})", "({1} von {2})", "({1} de {2})", "({1} di {2})"),
    *("({1} van {2})", "{1}/{2}", "{1} of {2}", "#{1}", "No. {1}", "Nr. {1}", "N°{1}", "{1}", "({1}.)", "[{1}]"),
    *("{1}. Teil", "{1}. Folge", "({1}ª parte)", "{1}ª puntata", "Part {1} of {2}", "Teil {1}/{2}"),
    *("Folge {1} von {2}", "Episode {1} of {2}", "Épisode {1}/{2}", "{1}ème partie", "Capítulo {1} de {2}"),
)
_SEASONS_AND_EPISODES = (
    (("Season", "Series", "Ser.", "S"), ("Episode", "Ep.", "Ep", "Eps", "Part", "Pt.", "E")),
    (("Staffel", "St.", "S"), ("Folge", "Episode", "Ep.", "Teil", "F")),
    (("Saison", "S"), ("Épisode", "Episode", "Ep.", "Partie", "Numéro")),
    (("Temporada", "Temp.", "T"), ("Episodio", "Ep.", "Capítulo", "Cap.", "Parte")),
    (("Stagione", "Stag.", "St."), ("Episodio", "Ep.", "Puntata", "Parte", "P.")),
    (("Temporada", "Temp.", "T"), ("Episódio", "Ep.", "Capítulo", "Parte")),
    (("Seizoen", "Seiz.", "S"), ("Aflevering", "Afl.", "Ep.", "Deel")),
    (("Säsong", "Sæson", "Sesong", "Sezon"), ("Avsnitt", "Afsnit", "Episode", "Del", "Odcinek", "Odc.")),
)


def _numbered(words: Iterable[str], number: str) -> list[str]:
    short = [f"{word}{number}" for word in words if word.endswith(".") or len(word) == 1]
    return [*short, *(f"{word} {number}" for word in words)]


def _in_words() -> Family:
    forms: list[str] = []
    links = (" ", " ", " ", ", ", ", ", " - ", ": ", "/")
    for season_words, episode_words in _SEASONS_AND_EPISODES:
        seasons, episodes = _numbered(season_words, "{0}"), _numbered(episode_words, "{1}")
        both = [one + link + other for one in seasons for other in episodes for link in links]
        forms += [*both, *seasons * 10, *episodes * 10]
    return (*forms, *forms, *forms, *map(str.lower, forms), *map(str.upper, forms))


EPISODES: tuple[Family, ...] = ((*_CODES, *map(str.lower, _CODES)), _COUNTS, _in_words())
EPISODE_PLACES = (
    *(" {}", " {}", " {}", " ({})", " ({})", " [{}]", ", {}", ", {}", " - {}", " - {}", ": {}", " – {}", " | {}"),
    *("/{}", "; {}"),
)

# {0} is the year, {1} the one after it, {2} that with two digits.
YEARS = (
    *(" ({0})", " ({0})", " ({0})", " ({0})", " {0}", " {0}", " [{0}]", ", {0}", " - {0}", " {{{0}}}", " | {0}"),
    *(".{0}", " ({0}/{2:02})", " {0}/{2:02}", " {0}/{1}", " {0}-{1}", " ({0}–{1})", " ({0}-)", " (c) {0}"),
    *(
        f" ({country}{link}{{0}})"
        for country in ("USA", "GB", "D", "F", "I", "E", "BR", "USA/GB")
        for link in (" ", ", ")
    ),
)

# What could be said of any programme: a subtitle must not tell what kind it is.
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
_AND = (" and ", " & ", " und ", " et ", " y ", " e ", " en ")
_FROM = ("In {}", "{}", "{}, Part 2", "From {}", "Aus {}", "À {}", "En {}", "Da {}", "Back in {}", "{} (1)")
SUBTITLES: tuple[Family, ...] = (
    tuple(f"{article} {scene}" for (article, _), scenes in _SCENES.items() for scene in scenes.split(",")),
    tuple(
        f"{article} {scene} {of} {name}"
        for (article, of), scenes in _SCENES.items()
        for scene in scenes.split(",")
        for name in _NAMES
    ),
    (*_NAMES * 20, *(one + link + other for one in _NAMES for other in _NAMES if one != other for link in _AND)),
    tuple(form.format(place) for place in _PLACES for form in _FROM),
    _PARTS,
)
SUBTITLE_LINKS = (": ", ": ", ": ", ": ", " - ", " - ", " - ", " – ", " – ", ". ", " — ", ", ", " | ", " / ", "; ", " ")


def unmarked(title: str) -> str:
    """Return a title without marks that are set apart before and behind it; one that is nothing else stays.

    "New Amsterdam" stays, too: words that only a blank sets apart may be the title's own.
    """
    rest = title.strip()
    while rest:
        title = rest
        rest = title[_length(title, _BEFORE) : len(title) - _length(title[::-1], _AFTER)].strip()
        if rest == title:
            return title
    return title


def _length(title: str, marks: frozenset[str]) -> int:
    folded = title[:_LONGEST].lower()
    return next((length for length in range(len(folded), 0, -1) if folded[:length] in marks), 0)


def _set_apart(families: Iterable[Family]) -> Iterable[str]:
    for family in families:
        for mark in family:
            if not (mark.isascii() and mark.replace(" ", "").isalnum()):
                yield mark.lower()


_BEFORE = frozenset(_set_apart(BEFORE))
_AFTER = frozenset(mark[::-1] for mark in _set_apart(AFTER))  # as they are found from the end
_LONGEST = max(map(len, _BEFORE | _AFTER))
