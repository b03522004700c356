"""A server that fails for three seconds under 500 requests at once."""

from __future__ import annotations

import asyncio

import pytest

from support.outage import Way, outage


@pytest.mark.parametrize("way", ["503", "refused"])
def test_an_outage_makes_no_storm_and_ends_when_it_is_over(way: Way) -> None:
    report = asyncio.run(outage(way, 3.0))
    assert report.in_flight >= 450
    assert report.opened
    assert report.retries <= report.allowed_retries, report
    # 5 s on a machine that is not busy elsewhere: tests/slow/test_outage.py; here it goes by the machine's own speed.
    assert report.full_speed <= 20.0 + 5 * report.before, report
