"""Validation of guides against the DTD of XMLTV: elements, their order, and their attributes."""

import io

from lxml import etree

# A programme's children in their order: multiplicity and attributes.
_CHILDREN = {
    "title": ("+", "lang"),
    "sub-title": ("*", "lang"),
    "desc": ("*", "lang"),
    "credits": ("?", ""),
    "date": ("?", ""),
    "category": ("*", "lang"),
    "keyword": ("*", "lang"),
    "language": ("?", "lang"),
    "orig-language": ("?", "lang"),
    "length": ("?", "units"),
    "icon": ("*", "src width height"),
    "url": ("*", "system"),
    "country": ("*", "lang"),
    "episode-num": ("*", "system"),
    "video": ("?", ""),
    "audio": ("?", ""),
    "previously-shown": ("?", "start channel"),
    "premiere": ("?", "lang"),
    "last-chance": ("?", "lang"),
    "new": ("?", ""),
    "subtitles": ("*", "type"),
    "rating": ("*", "system"),
    "star-rating": ("*", "system"),
    "review": ("*", "type source reviewer lang"),
    "image": ("*", "type size orient system"),
}
_INSIDE = (
    *("director", "actor", "writer", "adapter", "producer", "composer", "editor", "presenter", "commentator"),
    "guest",
)
_OF_TV = (
    *("date", "source-info-url", "source-info-name", "source-data-url", "generator-info-name"),
    "generator-info-url",
)
_MORE = {"display-name": "lang", "value": "", "present": "", "colour": "", "aspect": "", "quality": "", "stereo": ""}


def _dtd() -> str:
    order = ", ".join(f"{name}{multiplicity}" for name, (multiplicity, _) in _CHILDREN.items())
    attributes = (
        {name: listed for name, (_, listed) in _CHILDREN.items()} | _MORE | dict.fromkeys(_INSIDE, "role guest")
    )
    mixed = {"credits": f"({'|'.join(_INSIDE)})*", "video": "ANY", "audio": "ANY", "subtitles": "ANY"}
    lines = [
        "<!ELEMENT tv (channel*, programme*)>",
        *(f"<!ATTLIST tv {name} CDATA #IMPLIED>" for name in _OF_TV),
        "<!ELEMENT channel (display-name+, icon*, url*)>",
        "<!ATTLIST channel id CDATA #REQUIRED>",
        f"<!ELEMENT programme ({order})>",
        "<!ATTLIST programme start CDATA #REQUIRED stop CDATA #IMPLIED channel CDATA #REQUIRED clumpidx CDATA '0/1'>",
    ]
    for name, listed in attributes.items():
        anything = "ANY" if name in ("rating", "star-rating", *_INSIDE) else "(#PCDATA)"
        lines.append(f"<!ELEMENT {name} {mixed.get(name, anything)}>")
        lines += [f"<!ATTLIST {name} {attribute} CDATA #IMPLIED>" for attribute in listed.split()]
    return "\n".join(lines)


_DTD = etree.DTD(io.StringIO(_dtd()))


def is_valid(guide: bytes) -> bool:
    """Return whether a guide follows the DTD."""
    return bool(_DTD.validate(parsed(guide)))


def parsed(guide: bytes) -> etree._Element:
    """Return the root element of a guide as lxml parses it."""
    return etree.fromstring(guide, etree.XMLParser(resolve_entities=False, no_network=True))
