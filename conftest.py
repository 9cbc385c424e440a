"""What every test may use: the fixtures of the sandbox.

Add here: a plugin of fixtures.
Keep out: fixtures themselves; they have modules of their own under `tests/`.
"""

pytest_plugins = ("tests.sandbox_fixtures", "tests.flow_fixtures")
