"""The partitions: one a batch.

Add here: another way of cutting the assets.
Keep out: minting batches (`erasure.targets`) and what they hold (the ledger).
"""

import dagster as dg

batches = dg.DynamicPartitionsDefinition(name="batches")
