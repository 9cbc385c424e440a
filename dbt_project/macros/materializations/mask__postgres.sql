{#- One UPDATE (or DELETE) by the model's own predicates and values, and the ledger's row in the same transaction: both or neither.
    The lease is asked first; a step of a run that has lost it changes nothing. Columns that must stay as they are are
    compared row by row before the transaction ends. With `chunk_rows` there is a transaction for each
    stretch of the table, so that no lock is held for long; an interrupted mask goes on with what is left.
    Without adapter.commit() PostgreSQL reports the update and rolls it back. -#}
{% materialization mask, adapter='postgres' %}
    {%- set source_name, table_name = model.sources[0] -%}
    {%- set spec = mask_spec(source_name, table_name) -%}
    {%- set stretches = stretches_of(spec, var('chunk_rows', 0) | int) -%}
    {%- set changed = namespace(rows=0) -%}
    {%- set version = run_query("select current_setting('server_version_num')::int as number").rows[0][0] -%}
    {%- set tells_old = version >= 180000 and not var('by_place', false) -%}

    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {%- for stretch in stretches -%}
        {#- What has been read of the catalog so far was a transaction of its own: the level is set before all
            else. -#}
        {% do run_query("rollback" if loop.first else "commit") %}
        {#- In so many words: to the driver the former transaction, ended in words as well, goes on. -#}
        {% do run_query("begin") %}
        {#- A row that somebody changes meanwhile would get values computed from what it was: under this level the
            statement fails instead, and is repeated. -#}
        {% do run_query("set transaction isolation level repeatable read") %}
        {#- A client that was killed would else leave its backend, and the locks, for as long as the update runs. -#}
        {% do run_query("set local client_connection_check_interval = '1s'") %}
        {#- A set of many thousands is no hash table in the default's 8 MB: each row would then be held against all. -#}
        {% do run_query("set local work_mem = '256MB'") %}
        {% do run_query("set local lock_timeout = '" ~ var('lock_timeout_seconds', 0) | int ~ "s'") %}
        {% do run_query("set local statement_timeout = '" ~ var('statement_timeout_seconds', 0) | int ~ "s'") %}
        {% do run_query("select erasure.require_lease(" ~ batch_id() ~ ", " ~ var('fence') ~ ")") %}

        {% call statement('main', fetch_result=True) %}
            {{ mask_statement(spec, stretch, tells_old) }}
        {% endcall %}

        {%- set rows, touched = load_result('main').table.rows[0] -%}
        {%- set changed.rows = changed.rows + (rows | int) -%}
        {% do run_query("select erasure.require_untouched('" ~ spec.table ~ "', " ~ touched | int ~ ")") %}
        {%- if not loop.last -%}
            {% do run_query(
                "select erasure.advance_step(" ~ batch_id() ~ ", 'postgres', '" ~ spec.table ~ "', 'mask', "
                ~ rows | int ~ ")"
            ) %}
        {%- endif -%}
    {%- endfor -%}

    {% do run_query(
        "select erasure.finish_step(" ~ batch_id() ~ ", 'postgres', '" ~ spec.table ~ "', 'mask', " ~ changed.rows ~ ")"
    ) %}
    {% do store_raw_result('main', message='MASK ' ~ changed.rows, code='MASK', rows_affected=changed.rows) %}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {% do adapter.commit() %}
    {{ return({'relations': []}) }}
{% endmaterialization %}
