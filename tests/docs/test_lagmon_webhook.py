"""The reference of the webhook shows a body as it is really written, and how to check it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema  # type: ignore[import-untyped]
import yaml

from lagmon.configuration.receivers import Webhook
from lagmon.notify.webhook import SIGNATURE, TIMESTAMP, body, signature
from tests.docs.pages import DOCS, blocks
from tests.docs.test_lagmon_alerts import LINKS, first
from tests.lagmon.builders import NOON

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PAGE = "reference/lagmon-webhook.md"
SCHEMA = json.loads((DOCS / "reference/lagmon-webhook.schema.json").read_text())


def shown() -> Any:
    """Give what is posted about the recorded poison record."""
    notice = first()
    return json.loads(body([notice], LINKS, 240, notice.at))


def block(language: str) -> str:
    """Give the only block of the page in *language*."""
    (found,) = [block.text for block in blocks(PAGE) if block.language == language]
    return found


def test_the_example_is_a_real_body() -> None:
    """It is what the recorded incident gives, and as the schema says."""
    example = json.loads(block("json"))

    assert example == shown()
    jsonschema.validate(example, SCHEMA)


def test_the_configuration_of_the_page_is_read(tmp_path: Path) -> None:
    """It needs no more than an address and a secret."""
    secret = tmp_path / "secret"
    secret.write_text("s3cret")
    (given,) = yaml.safe_load(block("yaml"))["webhooks"]

    read = Webhook.model_validate(given | {"secret_file": str(secret)})

    assert (read.url, read.secret_file) == ("https://pages.example/lagmon", secret)


def test_the_check_of_the_page_believes_lagmon_alone() -> None:
    """What was changed, signed by another, or kept for long is refused."""
    names: dict[str, Any] = {}
    exec(block("python"), names)  # noqa: S102 - the page is ours
    check: Callable[[str, dict[str, str], bytes, float], bool] = names["is_from_lagmon"]
    said, timestamp = body([first()], LINKS, 240, NOON), str(int(NOON))
    headers = {TIMESTAMP: timestamp, SIGNATURE: signature("s3cret", timestamp, said)}

    assert check("s3cret", headers, said, NOON + 10)
    assert not check("another", headers, said, NOON + 10)
    assert not check("s3cret", headers, said.replace(b"firing", b"solved"), NOON + 10)
    assert not check("s3cret", headers, said, NOON + 3600)
    assert not check("s3cret", headers | {TIMESTAMP: str(int(NOON) + 3600)}, said, NOON + 3600)
