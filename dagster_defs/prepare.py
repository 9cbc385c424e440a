"""Run once after installing: parses the dbt project, so that no command has to.

Add here: what is worth computing once for a checkout.
Keep out: anything that needs a connection or a configuration.
"""

from dagster_defs.environment import prepare_environment

if __name__ == "__main__":
    prepare_environment()
    from dagster_defs.dbt_runner import prepare

    prepare()
