"""FastAPI behind Mangum."""

from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException, Request, Response
from mangum import Mangum
from pydantic import BaseModel

started = []


@asynccontextmanager
async def lifespan(app):
    started.append("up")
    yield
    started.append("down")


app = FastAPI(lifespan=lifespan)


class Item(BaseModel):
    name: str
    price: float


@app.get("/hello/{name}")
async def hello(name: str, request: Request, q: str | None = None):
    event, context = request.scope["aws.event"], request.scope["aws.context"]
    return {"hello": name, "q": q, "path": event.get("path") or event.get("rawPath"), "function": context.function_name, "started": started[:1]}


@app.get("/sync")
def sync():
    return {"ran": "in a thread"}


@app.post("/items", status_code=201)
async def items(item: Item):
    return item


@app.get("/bytes")
async def some_bytes():
    return Response(content=b"\x00\xff", media_type="application/octet-stream", headers={"X-A": "b"})


@app.get("/missing")
async def missing():
    raise HTTPException(404, "nothing here")


@app.get("/fails")
async def fails():
    raise RuntimeError("on purpose")


handler = Mangum(app)
without_lifespan = Mangum(app, lifespan="off")
