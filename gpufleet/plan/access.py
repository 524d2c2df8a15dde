"""Access: how a container gets at its cards, by vendor and engine."""

from __future__ import annotations

from collections.abc import Sequence

from ..catalog import gfx_overrides
from ..schema import Accelerator, Access, Gpu, HostFacts, Service
from .amd import KIND
from .provision import route
from .wanted import Wanted

ACCELERATORS: dict[str, Accelerator] = {"nvidia": "cuda", "amd": "rocm"}
KFD = "/dev/kfd"
NONE = Access()


def accelerator(card: Gpu, service: Service) -> Accelerator | None:
    """What the service's image for this card is built for; None: it has none that runs there."""
    name = ACCELERATORS.get(card.vendor)
    if name is None or name not in service.accelerators:
        return None
    return name if name != "rocm" or _runs(card.gfx_target, service.gfx) else None


def _runs(target: str | None, built: Sequence[str]) -> bool:
    return not built or target in built or _override(target, built) is not None


def _override(target: str | None, built: Sequence[str]) -> str | None:
    """The version to say that the card is; None: nothing to say, or nothing that would help."""
    stand_in = gfx_overrides().get(target or "")
    return stand_in["version"] if stand_in and target not in built and stand_in["target"] in built else None


def access(cards: Sequence[Gpu], service: Service, wanted: Wanted, facts: HostFacts) -> Access:
    """The way to ``cards``, which are of one vendor."""
    if not cards:
        return NONE
    if cards[0].vendor != "amd":
        return _nvidia(cards, facts)
    plain = _amd(cards, service, facts)
    return _named(plain, cards) if wanted.settings.amd_access == "cdi" else plain


def _nvidia(cards: Sequence[Gpu], facts: HostFacts) -> Access:
    ids = tuple(c.identity or "" for c in cards)
    hook = route(facts) == "hook"
    return Access(
        driver="nvidia" if hook else "cdi",
        device_ids=ids if hook else tuple(f"nvidia.com/gpu={i}" for i in ids),
        environment={"CUDA_DEVICE_ORDER": "PCI_BUS_ID"},
        nodes=tuple(sorted({f"/dev/nvidia{c.minor}" for c in cards if c.minor is not None})),
    )


def _named(plain: Access, cards: Sequence[Gpu]) -> Access:
    """The same by name: the engine looks up the nodes when it starts the container."""
    ids = tuple(f"{KIND}={card.identity}" for card in cards)
    return plain.model_copy(update={"driver": "cdi", "device_ids": ids, "devices": ()})


def _amd(cards: Sequence[Gpu], service: Service, facts: HostFacts) -> Access:
    """The plain nodes: each card has one of its own, so a container sees no other."""
    nodes = tuple(f"/dev/dri/{c.render_node}" for c in cards)
    groups = {facts.node_groups[n] for n in (KFD, *nodes) if n in facts.node_groups}
    visible = [c.uuid for c in cards if c.uuid]
    override = _override(cards[0].gfx_target, service.gfx)
    environment = {"ROCR_VISIBLE_DEVICES": ",".join(visible)} if len(visible) == len(cards) else {}
    environment |= {"HSA_OVERRIDE_GFX_VERSION": override} if override else {}
    return Access(devices=(KFD, *nodes), groups=tuple(sorted(groups)), environment=environment, nodes=nodes)
