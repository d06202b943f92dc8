"""The web process of `up`: uvicorn on a socket that the supervisor has bound.

The supervisor binds so that a taken port is known before anything starts, and so that while this process is being
restarted requests wait in the socket's queue instead of being refused.
"""

import argparse
import socket

import uvicorn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--trusted-proxies", default="")
    options = parser.parse_args()
    config = uvicorn.Config(
        "betsizing.asgi:application",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        # Without a proxy nobody may say where a request comes from: sign-in throttling counts by address.
        proxy_headers=bool(options.trusted_proxies),
        forwarded_allow_ips=options.trusted_proxies,
        timeout_graceful_shutdown=3,  # live streams never end by themselves
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=options.fd)])


if __name__ == "__main__":
    main()
