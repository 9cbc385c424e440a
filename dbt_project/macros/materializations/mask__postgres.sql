{#- One UPDATE from the model's own select and the ledger's row in the same transaction: both or neither.
    The lease is asked first; a step of a run that has lost it changes nothing. Without adapter.commit() PostgreSQL
    reports the update and rolls it back. -#}
{% materialization mask, adapter='postgres' %}
    {%- set source_name, table_name = model.sources[0] -%}
    {%- set spec = mask_spec(source_name, table_name) -%}

    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {#- A row that somebody changes meanwhile would get values computed from what it was: under this level the statement
        fails instead, and is repeated. -#}
    {% do run_query("set transaction isolation level repeatable read") %}
    {#- A client that was killed would else leave its backend, and the locks, for as long as the update runs. -#}
    {% do run_query("set local client_connection_check_interval = '1s'") %}
    {% do run_query("select erasure.require_lease(" ~ batch_id() ~ ", " ~ var('fence') ~ ")") %}

    {% call statement('main') %}
        update {{ spec.relation }} as record
        set
        {%- for field in spec.fields %}
            {{ field.name }} = masked.new_{{ field.name }}{{ ',' if not loop.last }}
        {%- endfor %}
        from (
            {{ sql }}
        ) as masked
        where
        {%- for key in spec.primary_key %}
            record.{{ key }} = masked.{{ key }}{{ ' and' if not loop.last }}
        {%- endfor %}
    {% endcall %}

    {%- set changed = load_result('main').response.rows_affected -%}
    {% do run_query(
        "select erasure.finish_step(" ~ batch_id() ~ ", 'postgres', '" ~ table_name ~ "', 'mask', " ~ changed ~ ")"
    ) %}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {% do adapter.commit() %}
    {{ return({'relations': []}) }}
{% endmaterialization %}
