"""Mem0 over HTTP: what programs tell it of a user is kept in Qdrant, as a model of Ollama sees it."""

from __future__ import annotations

import hmac
import os
from functools import cache
from threading import Lock
from typing import Any

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

KEY = os.environ["MEM0_API_KEY"].encode()
MODELS = {"ollama_base_url": os.environ["OLLAMA_BASE_URL"]}
CONFIG: dict[str, Any] = {
    "llm": {"provider": "ollama", "config": {"model": os.environ["MEM0_LLM_MODEL"], "temperature": 0, **MODELS}},
    "embedder": {"provider": "ollama", "config": {"model": os.environ["MEM0_EMBED_MODEL"], **MODELS}},
    "vector_store": {
        "provider": "qdrant",
        "config": {
            "url": os.environ["QDRANT_URL"],
            "api_key": os.environ["QDRANT_API_KEY"],
            "collection_name": os.environ["MEM0_COLLECTION"],
            "embedding_model_dims": int(os.environ["MEM0_EMBED_DIMS"]),
        },
    },
    "history_db_path": os.path.join(os.environ["MEM0_DIR"], "history.db"),
}
LOCK = Lock()


@cache
def _memory() -> Any:
    from mem0 import Memory

    return Memory.from_config(CONFIG)


def memory() -> Any:
    """Made when it is first asked for: models may come after the start, and Mem0 would fetch those that it misses."""
    with LOCK:
        return _memory()


async def key(request: Request) -> None:
    """Refuse who does not have the key."""
    given = request.headers.get("authorization", "").removeprefix("Bearer ").encode()
    if not hmac.compare_digest(given, KEY):
        raise HTTPException(401, "Authorization: Bearer KEY", {"WWW-Authenticate": "Bearer"})


class Whose(BaseModel):
    """Whose memories: at least one of these."""

    user_id: str | None = Field(None, min_length=1)
    agent_id: str | None = Field(None, min_length=1)
    run_id: str | None = Field(None, min_length=1)

    def named(self) -> dict[str, str]:
        found = {name: value for name in ("user_id", "agent_id", "run_id") if (value := getattr(self, name))}
        if not found:
            raise HTTPException(422, "give user_id, agent_id or run_id")
        return found


class Message(BaseModel):
    role: str = "user"
    content: str = Field(min_length=1)


class Told(Whose):
    """``infer``: the model says what is worth keeping; else all is kept as it is."""

    messages: list[Message] = Field(min_length=1)
    metadata: dict[str, Any] = {}
    infer: bool = True


class Asked(Whose):
    query: str = Field(min_length=1)
    limit: int = Field(10, ge=1, le=100)


app = FastAPI(title="Mem0", docs_url=None, redoc_url=None, openapi_url=None)
KEYED = [Depends(key)]


@app.exception_handler(Exception)
async def failed(request: Request, error: Exception) -> JSONResponse:
    """Ollama or Qdrant does not answer, or says no; the log has all of it."""
    return JSONResponse({"detail": f"{type(error).__name__}: {error}"[:300]}, 502)


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/memories", dependencies=KEYED)
async def add(told: Told) -> Any:
    messages, whose = [m.model_dump() for m in told.messages], told.named()
    return await run_in_threadpool(lambda: memory().add(messages, metadata=told.metadata, infer=told.infer, **whose))


@app.get("/memories", dependencies=KEYED)
async def all_of(user_id: str | None = None, agent_id: str | None = None, run_id: str | None = None) -> Any:
    whose = Whose(user_id=user_id, agent_id=agent_id, run_id=run_id).named()
    return await run_in_threadpool(lambda: memory().get_all(limit=1000, **whose))


@app.post("/search", dependencies=KEYED)
async def search(asked: Asked) -> Any:
    whose = asked.named()
    return await run_in_threadpool(lambda: memory().search(asked.query, limit=asked.limit, **whose))


@app.delete("/memories/{id_}", dependencies=KEYED)
async def forget(id_: str) -> Any:
    """Of an id that is not there, nothing has to be done."""
    if await run_in_threadpool(lambda: memory().get(id_)) is None:
        raise HTTPException(404, "no such memory")
    return await run_in_threadpool(lambda: memory().delete(id_))


@app.delete("/memories", dependencies=KEYED)
async def forget_all(user_id: str | None = None, agent_id: str | None = None, run_id: str | None = None) -> Any:
    whose = Whose(user_id=user_id, agent_id=agent_id, run_id=run_id).named()
    return await run_in_threadpool(lambda: memory().delete_all(**whose))
