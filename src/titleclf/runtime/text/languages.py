"""The words that guides add to titles, one entry per language.

To add a language, or a word to one, extend `LANGUAGES`: title keys, the prefilter, decorations, genre labels and noise
all take their words from it. New words change what noise draws from a seed and how titles are keyed: train again.
"""

from typing import Literal, NamedTuple


class Language(NamedTuple):
    """The words of a language, each as guides spell it: capitalized, with the full stop of an abbreviation."""

    articles: tuple[str, ...] = ()  # an elided one ends with its apostrophe
    ands: tuple[str, ...] = ()
    ors: tuple[str, ...] = ()
    of: tuple[str, ...] = ()  # in "part 1 of 3"
    new: tuple[str, ...] = ()
    live: tuple[str, ...] = ()
    repeat: tuple[str, ...] = ()
    season: tuple[str, ...] = ()  # before its number
    episode: tuple[str, ...] = ()  # before its number
    ordinal: tuple[str, ...] = ()  # what makes a number an ordinal, as in "2. Teil"


Words = Literal["articles", "ands", "ors", "of", "new", "live", "repeat", "season", "episode", "ordinal"]

LANGUAGES = {
    "en": Language(
        articles=("the", "a", "an"),
        ands=("and",),
        ors=("or",),
        of=("of",),
        new=("New", "All New", "Brand New", "New Episode", "New Series", "Premiere", "Season Premiere", "Finale"),
        live=("Live", "Live!"),
        repeat=("R", "Rpt", "Rpt.", "Repeat"),
        season=("Season", "Series", "Ser.", "S"),
        episode=("Episode", "Ep.", "Ep", "Eps", "Part", "Pt.", "E"),
    ),
    "de": Language(
        articles=("der", "die", "das", "den", "ein", "eine"),
        ands=("und",),
        ors=("oder",),
        of=("von",),
        new=("Neu", "Neue Folge", "TV-Premiere", "Erstausstrahlung"),
        repeat=("Wh.", "Wh", "Wdh.", "W", "Wiederholung"),
        season=("Staffel", "St.", "S"),
        episode=("Folge", "Episode", "Ep.", "Teil", "F"),
        ordinal=(".",),
    ),
    "fr": Language(
        articles=("le", "la", "les", "un", "une", "l'"),
        ands=("et",),
        new=("Nouveau", "Nouveauté", "Inédit", "Première"),
        live=("En direct", "Direct"),
        repeat=("Rediffusion", "Redif.", "Rediff"),
        season=("Saison", "S"),
        episode=("Épisode", "Episode", "Ep.", "Partie", "Numéro"),
        ordinal=("ème",),
    ),
    "es": Language(
        articles=("el", "la", "los", "las", "un", "una"),
        ands=("y",),
        of=("de",),
        new=("Nuevo", "Nueva", "Estreno"),
        live=("En vivo", "En directo", "Directo"),
        repeat=("Repetición", "Rep", "Rep."),
        season=("Temporada", "Temp.", "T"),
        episode=("Episodio", "Ep.", "Capítulo", "Cap.", "Parte"),
        ordinal=("ª",),
    ),
    "it": Language(
        articles=("il", "lo", "la", "gli", "le", "un", "una", "l'"),
        ands=("e",),
        of=("di",),
        new=("Nuovo", "Prima TV", "Prima visione"),
        live=("Diretta", "In diretta"),
        repeat=("Replica",),
        season=("Stagione", "Stag.", "St."),
        episode=("Episodio", "Ep.", "Puntata", "Parte", "P."),
        ordinal=("ª",),
    ),
    "pt": Language(
        articles=("o", "a", "os", "um", "uma"),
        ands=("e",),
        of=("de",),
        new=("Novo", "Nova", "Estreia", "Novidade"),
        live=("Ao vivo", "Em direto", "Direto"),
        repeat=("Repetição", "Reprise"),
        season=("Temporada", "Temp.", "T"),
        episode=("Episódio", "Ep.", "Capítulo", "Parte"),
        ordinal=("ª",),
    ),
    "nl": Language(
        articles=("de", "het", "een"),
        ands=("en",),
        of=("van",),
        new=("Nieuw",),
        live=("Rechtstreeks",),
        repeat=("Herhaling", "Herh."),
        season=("Seizoen", "Seiz.", "S"),
        episode=("Aflevering", "Afl.", "Ep.", "Deel"),
    ),
    "sv": Language(
        articles=("den", "det"),
        ands=("och",),
        new=("Nytt", "Ny"),
        live=("Direkt",),
        repeat=("Repris",),
        season=("Säsong",),
        episode=("Avsnitt",),
    ),
    "da": Language(
        articles=("den", "det"),
        ands=("og",),
        new=("Ny",),
        season=("Sæson",),
        episode=("Afsnit",),
    ),
    "no": Language(
        articles=("den", "det"),
        ands=("og",),
        new=("Ny",),
        season=("Sesong",),
        episode=("Episode", "Del"),  # "Del" is Swedish and Danish, too
    ),
    "pl": Language(
        ands=("i",),
        live=("Na żywo",),
        repeat=("Powtórka",),
        season=("Sezon",),
        episode=("Odcinek", "Odc."),
    ),
}


def words(kind: Words, *codes: str) -> tuple[str, ...]:
    """Return the words of a kind, each once, in the languages of these codes (default: all), in their order."""
    languages = [LANGUAGES[code] for code in codes or LANGUAGES]
    return tuple(dict.fromkeys(word for language in languages for word in getattr(language, kind)))
