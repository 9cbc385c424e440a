"""Fixtures that several modules of unit tests use.

Add here: a fixture of a support module.
Keep out: fixtures themselves; they stand beside what they make, in `*_support.py`.
"""

from tests.unit.job_api_support import api, client, other_host, pauses, platform

__all__ = ["api", "client", "other_host", "pauses", "platform"]
