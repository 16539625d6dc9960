"""The choices that configuration offers by name."""

from enum import StrEnum


class Device(StrEnum):
    """Where tensors live; `auto` takes CUDA, then MPS, then the CPU."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


class Task(StrEnum):
    """How many categories a title has: exactly one, or several, its tags."""

    single = "single"
    multilabel = "multilabel"


class Positions(StrEnum):
    """The positional codes of `positions.table`."""

    alternating = "alternating"
    sinusoidal = "sinusoidal"
    learned = "learned"
    none = "none"


class Combine(StrEnum):
    """How a positional code meets the character at its place."""

    multiply = "multiply"
    add = "add"


class ModelKind(StrEnum):
    """The encoders of `model`."""

    bag = "bag"
    ngram = "ngram"
    conv = "conv"


class ObjectiveKind(StrEnum):
    """What embeddings are pre-trained for, in `objectives`."""

    views = "views"
    skipgram = "skipgram"
    cbow = "cbow"
    masked = "masked"


class MemoryKind(StrEnum):
    """Which titles a memory leans on: none, those that are known, or also those that resemble a known one."""

    none = "none"
    exact = "exact"
    fuzzy = "fuzzy"


class Misspelling(StrEnum):
    """What happens to the letters of a title, in `noise.misspell`."""

    insert = "insert"
    delete = "delete"
    transpose = "transpose"
    substitute = "substitute"
    diacritics = "diacritics"
    mojibake = "mojibake"
    ocr = "ocr"


class Format(StrEnum):
    """How guides dress a title up, in `noise.reformat`."""

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
    """What `export` writes: a folder that predicts, embeddings to start another training from, or an ONNX network."""

    bundle = "bundle"
    embeddings = "embeddings"
    onnx = "onnx"
