{#- One mutation, waited for. ClickHouse says nothing of the rows it changed, so they are counted first by the same
    predicates; the ledger's `pending` has been committed by then (a rerun after a crash would count none).
    `storage` says which table holds an object's rows, where that is another: a local one, or a view's inner one. -#}
{% materialization mask, adapter='clickhouse' %}
    {%- set source_name, table_name = model.sources[0] -%}
    {%- set spec = mask_spec(source_name, table_name) -%}

    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {%- set pending = run_query("select count() from (" ~ sql ~ ")").columns[0].values()[0] | int -%}
    {%- if pending > 0 -%}
        {% call statement('main') %}
            {%- set storage = var('storage', {}).get(table_name, spec.relation) %}
            {{ mutation(spec, storage, env_var('DBT_CLICKHOUSE_CLUSTER', '')) }}
        {% endcall %}
    {%- endif -%}
    {% do store_raw_result('main', message='MASK ' ~ pending, code='MASK', rows_affected=pending) %}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ return({'relations': []}) }}
{% endmaterialization %}
