"""Door 3, asyncio: pages under https, on Starlette and uvicorn.

In: requests of browsers, and of mail programs that unsubscribe by one click.  Out: pages.
The supervisor calls `webmail.worker`; nothing else is called from outside.  It opens onto the core
(`mailserver`); may not know another door.

The core (`speech`, `rate_limiter`, `limit`, `leaving`) knows neither sockets nor loops;
`guard` and `application` speak ASGI; `connection` and `worker` are the shell.
"""
