"""The channels of guides, and what the channel list says of each."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from titleclf.epg.parser import pieces
from titleclf.epg.streams import reading
from titleclf.runtime.text.channels import Channel, ChannelList


class GuideChannel(NamedTuple):
    """A channel of a guide, its row of the list (None: it has none), and the number of its programmes."""

    id: str
    name: str
    listed: Channel | None
    programmes: int


@dataclass
class GuideChannels:
    """The channels of guides in their order; those that only programmes name come last, and have no name."""

    channels: list[GuideChannel]

    @property
    def matched(self) -> list[GuideChannel]:
        """The channels that the list has."""
        return [channel for channel in self.channels if channel.listed is not None]

    @property
    def categorized(self) -> list[GuideChannel]:
        """The channels that the list has a category for."""
        return [channel for channel in self.matched if channel.listed is not None and channel.listed.categories]


def channels(guides: Iterable[str], known: ChannelList) -> GuideChannels:
    """Read guides and look up each channel by its display name, and then by its id.

    Raises
    ------
    InputError
        If a guide can't be read.
    """
    names: dict[str, str] = {}
    programmes: Counter[str] = Counter()
    for guide in guides:
        with reading(guide) as source:
            for piece in pieces(source.chunks, guide):
                for channel, name in piece.channels.items():
                    names[channel] = names.get(channel) or name
                programmes.update(airing.channel for airing in piece.airings)
    names = {**dict.fromkeys([*names, *programmes], ""), **names}
    return GuideChannels(
        [GuideChannel(channel, name, known.find(name, channel), programmes[channel]) for channel, name in names.items()]
    )
