"""Door 3, asyncio: pages under https, on Starlette and uvicorn.

Owns what a browser, or a mail program that unsubscribes by one click, is shown:
pages, their words, limits, TLS and the worker process.  The supervisor calls
`webmail.worker`; nothing else is called from outside.  It opens onto the core
(`mailserver`) and imports no other door.

The core (`speech`, `rate_limiter`, `limit`, `leaving`) knows neither sockets nor loops;
`guard` and `application` speak ASGI; `connection` and `worker` are the shell.
"""
