"""Serve olah, a mirror of the Hugging Face Hub that keeps what it fetched: told by the environment.

Its own command line writes logs without end, makes room once an hour, and serves more than the Hub's client asks for.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import shutil
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from anyio.to_thread import current_default_thread_limiter
from fastapi.responses import Response
from olah import server
from olah.configs import OlahConfig
from olah.utils.disk_utils import evict_cache_to_limit, get_folder_size

# A block is fetched as a whole, and held in memory meanwhile; what was cut off begins at one.
BLOCK = 8 << 20
THREADS = 400  # who asks for a block that is just being fetched waits in one
EVERY = 30  # seconds
# The other paths go by digests alone, or fetch from wherever they are told.
KNOWN = re.compile(r"/api/|(/[^/]+){1,3}/resolve/[^/]+/.")


def configured(hub: str, kept: str) -> None:
    """Have it fetch from ``hub``, and keep that in the folder ``kept``."""
    config, there = OlahConfig(), urlsplit(hub)
    config.hf_scheme, config.hf_netloc = there.scheme, there.netloc
    config.repos_path, config.cache_block_size = kept, BLOCK
    server.app.state.app_settings = server.AppSettings(config=config)
    server.app.state.logger = logging.getLogger("olah")
    # It tells the addresses of the store behind the Hub, with the signatures that open them.
    logging.getLogger("httpx").setLevel(logging.WARNING)


async def app(scope: Any, receive: Any, send: Callable[[Any], Awaitable[None]]) -> None:
    """What the Hub's client asks for, and whether there is anybody."""
    if scope["type"] != "http" or KNOWN.match(scope["path"]):
        await server.app(scope, receive, send)
    else:
        await Response(status_code=200 if scope["path"] == "/health" else 404)(scope, receive, send)


def room(kept: str, limit: int, free: int) -> None:
    """Keep no more than ``limit`` bytes, and ``free`` ones of the disk free: what was not asked for longest goes."""
    have = get_folder_size(kept)
    evict_cache_to_limit(kept, min(limit, have + shutil.disk_usage(kept).free - free))


def make_room(*told: Any) -> None:
    while True:
        room(*told)
        time.sleep(EVERY)


async def main() -> None:
    kept = os.environ["KEPT"]
    configured(os.environ["HUB"], kept)
    limits = [int(os.environ[name]) << 20 for name in ("LIMIT_MIB", "FREE_MIB")]
    threading.Thread(target=make_room, args=(kept, *limits), daemon=True).start()
    current_default_thread_limiter().total_tokens = THREADS
    await uvicorn.Server(uvicorn.Config(app, host="0.0.0.0", port=int(os.environ["PORT"]), access_log=False)).serve()


if __name__ == "__main__":
    asyncio.run(main())
