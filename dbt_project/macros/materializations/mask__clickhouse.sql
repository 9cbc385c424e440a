{#- One mutation, waited for. ClickHouse says nothing of the rows it changed, so they are counted first by the same
    predicates; the ledger's `pending` has been committed by then (a rerun after a crash would count none). -#}
{% materialization mask, adapter='clickhouse' %}
    {%- set source_name, table_name = model.sources[0] -%}
    {%- set spec = mask_spec(source_name, table_name) -%}

    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {%- set pending = run_query("select count() from (" ~ sql ~ ")").columns[0].values()[0] | int -%}
    {%- if pending > 0 -%}
        {% call statement('main') %}
            alter table {{ spec.relation }}
            {%- if spec.rule == 'delete' %}
            delete
            {%- else %}
            update
            {%- for column in masked_columns(spec, '') %}
                {{ column.column }} = {{ column.new_value }}{{ ',' if not loop.last }}
            {%- endfor %}
            {%- endif %}
            where {{ is_subject(spec, '') }} and {{ not_yet_masked(spec, '') }}
            settings mutations_sync = 2
        {% endcall %}
    {%- endif -%}
    {% do store_raw_result('main', message='MASK ' ~ pending, code='MASK', rows_affected=pending) %}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ return({'relations': []}) }}
{% endmaterialization %}
