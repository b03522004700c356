"""A server that fails for half a minute under 500 requests at once; prints what it was like."""

from __future__ import annotations

import asyncio

import pytest

from support.outage import Way, outage


@pytest.mark.parametrize("way", ["503", "refused"])
def test_half_a_minute_makes_no_storm_either(way: Way) -> None:
    report = asyncio.run(outage(way, 30.0))
    print(f"\n{way}: {report}")
    assert report.opened
    assert report.retries <= report.allowed_retries, report
    assert report.full_speed <= 5.0, report
