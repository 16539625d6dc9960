"""The named choices of the configuration."""

from enum import StrEnum


class Device(StrEnum):
    """The device that tensors are on; `auto` is CUDA, else MPS, else the CPU."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


class Task(StrEnum):
    """Whether a title has one category or several tags."""

    single = "single"
    multilabel = "multilabel"


class Positions(StrEnum):
    """The kinds of positional codes."""

    alternating = "alternating"
    sinusoidal = "sinusoidal"
    learned = "learned"
    none = "none"


class Combine(StrEnum):
    """How a positional code and the vector of the character at its position are combined."""

    multiply = "multiply"
    add = "add"


class ModelKind(StrEnum):
    """The encoders of titles."""

    bag = "bag"
    ngram = "ngram"
    conv = "conv"


class Field(StrEnum):
    """What a model can use beside the title; `channel_kind` is what a public list says about the channel."""

    description = "description"
    sub_title = "sub_title"
    channel = "channel"
    channel_kind = "channel_kind"
    minutes = "minutes"
    language = "language"
    year = "year"

    @property
    def column(self) -> str:
        """The column of programmes that it is computed from."""
        return "channel" if self is Field.channel_kind else self.value

    @property
    def is_open(self) -> bool:
        """Whether its values are practically unlimited, so that most of its features are rare."""
        return self in (Field.description, Field.sub_title, Field.channel, Field.language)


class ProgrammeKind(StrEnum):
    """What a programme is, whatever its category: players treat films and episodes of series differently."""

    film = "film"
    episode = "episode"
    other = "other"


class ObjectiveKind(StrEnum):
    """The objectives of pre-training."""

    views = "views"
    skipgram = "skipgram"
    cbow = "cbow"
    masked = "masked"


class MemoryKind(StrEnum):
    """Which titles a memory adds evidence for: none, known ones, or also those similar to a known one."""

    none = "none"
    exact = "exact"
    fuzzy = "fuzzy"


class Misspelling(StrEnum):
    """The misspellings that `noise.misspell` makes."""

    insert = "insert"
    delete = "delete"
    transpose = "transpose"
    substitute = "substitute"
    diacritics = "diacritics"
    mojibake = "mojibake"
    ocr = "ocr"


class Format(StrEnum):
    """The formats of titles in guides, applied by `noise.reformat`."""

    case = "case"
    mark_before = "mark_before"
    mark_after = "mark_after"
    episode = "episode"
    year = "year"
    article = "article"
    subtitle = "subtitle"
    cut = "cut"
    separators = "separators"


class ExportFormat(StrEnum):
    """The outputs of `export`: a folder for prediction, embeddings for another training, or an ONNX network."""

    bundle = "bundle"
    embeddings = "embeddings"
    onnx = "onnx"
