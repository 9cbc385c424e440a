"""How large worlds are.

Holds: the figures that the command line shows too, so that showing them imports nothing.
Add here: another size that users choose, or its default.
Keep out: everything else.
"""

DEFAULT_CONTRIBUTORS = 300
FEWEST_CONTRIBUTORS = 10
JUDGMENTS_EACH = 30  # a contributor, unless their number in all is chosen
