"""What every test may use: the fixtures of the sandbox, and hypothesis without a clock.

Add here: a plugin of fixtures.
Keep out: fixtures themselves; they have modules of their own under `tests/`.
"""

from hypothesis import settings

pytest_plugins = ("tests.sandbox_fixtures", "tests.flow_fixtures", "tests.search_cluster")

# How long an example takes says how busy the machine is, and nothing of the product.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
