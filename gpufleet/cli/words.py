"""Amounts and places in few words."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from ..schema import Fetch, HostForecast, Ledger, Made, PlacedService, Pull

WIDTH = 20  # of a bar
MOST = 8  # named in one line; --json has them all


def listed(names: Sequence[str]) -> str:
    """
    >>> listed(["a", "b"]), listed([*"abcdefghij"])
    ('a, b', 'a, b, c, d, e, f, g, h and 2 more')
    """
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return ", ".join(names[:MOST]) + more


def gib(mib: int) -> str:
    """MiB for people.

    >>> gib(512), gib(24564)
    ('0.5', '24.0')
    """
    return f"{mib / 1024:.1f}"


def size(amount: int) -> str:
    """Bytes for people.

    >>> size(17_320_736), size(4_683_074_240), size(711), size(82_000)
    ('18 MB', '4.7 GB', '711 B', '82 kB')
    """
    if amount >= 1e9:
        return f"{amount / 1e9:.1f} GB"
    unit, name = (1e6, "MB") if amount >= 1e6 else (1e3, "kB") if amount >= 1e3 else (1, "B")
    return f"{ceil(amount / unit)} {name}"


def minutes(amount: int, rate: float) -> str:
    """How long ``amount`` bytes take at ``rate`` Mbit/s.

    >>> minutes(4_683_074_240, 100), minutes(1, 100)
    ('7 min', '1 min')
    """
    return f"{ceil(amount * 8 / (rate * 1e6) / 60)} min"


def pulled(pull: Pull, rate: float) -> str:
    """What an image costs, and who shares it.

    >>> pulled(Pull(image="a/b:1", bytes=800_000_000, services=("ollama", "research")), 100)
    '800 MB, 2 min, for ollama and research'
    """
    cost = "size not known" if pull.bytes is None else f"{size(pull.bytes)}, {minutes(pull.bytes, rate)}"
    return cost + _shared(pull.services)


def built(image: Made) -> str:
    """Of what an image is built, and who shares it.

    >>> built(Made(image="gpufleet.local/mem0:00", source="images/mem0", bytes=90_000_000, services=("mem0",)))
    'on the host, of images/mem0; pulls 90 MB'
    """
    pulls = "what it pulls is not known" if image.bytes is None else f"pulls {size(image.bytes)}"
    return f"on the host, of {image.source}; {pulls}" + _shared(image.services)


def name(image: Made) -> str:
    """What people call an image of ours; what else is in its name is a digest.

    >>> name(Made(image="gpufleet.local/mem0:00", source="images/mem0"))
    'mem0'
    """
    return image.image.partition("/")[2].partition(":")[0]


def _shared(services: tuple[str, ...]) -> str:
    return f", for {' and '.join(services)}" if len(services) > 1 else ""


def total(host: HostForecast) -> int:
    """Bytes to fetch, as far as they are known."""
    return sum(f.left for f in host.downloads) + sum(size or 0 for size in images(host))


def images(host: HostForecast) -> list[int | None]:
    """What is pulled of each image, or for it; None: not known."""
    return [*(image.bytes for image in host.images), *(image.bytes for image in host.builds)]


def bar(book: Ledger) -> str:
    """Used, free and reserved, without colour; a share that is there shows.

    >>> bar(Ledger(device="ram", name="host memory", capacity_mib=2400, reserve_mib=100))
    '[...................-]'
    """
    if book.over_mib or not book.capacity_mib:
        return f"[{'!' * WIDTH}]"
    parts = (book.used_mib, book.reserve_mib)
    used, kept = (max(round(part * WIDTH / book.capacity_mib), part > 0) for part in parts)
    kept = min(kept, WIDTH)
    used = min(used, WIDTH - kept)
    return f"[{'#' * used}{'.' * (WIDTH - used - kept)}{'-' * kept}]"


def names(host: HostForecast) -> dict[str, str]:
    """What memories are called on the page, by device: it has no room for UUIDs, and they differ from host to host."""
    cards = [book.device for book in host.ledgers if book.device != "ram"]
    return {**{device: f"card {n}" for n, device in enumerate(cards)}, "ram": "RAM"}


def services(host: HostForecast) -> tuple[str, ...]:
    """Names of the services, the external ones and those that are left out too."""
    return (*(s.name for s in host.services), *(e.name for e in host.externals), *host.left_out)


def place(service: PlacedService, host: HostForecast) -> str:
    """Where a service runs."""
    called = names(host)
    return ", ".join(called.get(d, d) for d in service.devices) or "cpu"


def file(fetch: Fetch) -> str:
    return fetch.path.rsplit("/", 1)[-1]


def ports(service: PlacedService) -> str:
    """Those of the host."""
    return ", ".join(map(str, filter(None, (service.publish, *service.publish_more)))) or "-"
